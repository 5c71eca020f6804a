-- A clause that never falls compares the units that have a value in both years.
with both_years as (
    select v.indicator_id, v.region_code, u.parent_code, v.year,
        v.numerator as n, v.denominator as d, w.numerator as n0, w.denominator as d0
    from {{ ref('indicator_value') }} v
    join {{ ref('indicator_value') }} w
        on w.indicator_id = v.indicator_id and w.region_code = v.region_code and w.year = v.year - 1
    join {{ ref('stg_unit') }} u on u.region_code = v.region_code
    where v.value is not null
        and w.value is not null
        and v.indicator_id in (select indicator_id from {{ ref('clauses') }} where kind = 'never_falls')
),

summed as (
    select indicator_id, region_code, year, 1 as units, n, d, n0, d0 from both_years
    union all
    select indicator_id, parent_code, year, count(*), sum(n), sum(d), sum(n0), sum(d0)
    from both_years
    group by all
)

select
    s.indicator_id,
    s.region_code,
    s.year,
    s.units,
    i.scale * s.n::double / coalesce(s.d, 1)::double as value,
    i.scale * s.n0::double / coalesce(s.d0, 1)::double as previous_value
from summed s
join {{ ref('indicators') }} i using (indicator_id)
