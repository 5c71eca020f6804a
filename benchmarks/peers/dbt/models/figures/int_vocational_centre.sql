-- Every county has a vocational centre: one whose form names none has not transformed it.
select region_code, year, transformed
from {{ ref('stg_vocational') }}
where kind = '县级职教中心'
union all
select region_code, year, false
from {{ ref('stg_vocational') }}
group by region_code, year
having count(*) filter (kind = '县级职教中心') = 0
