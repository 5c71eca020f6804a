-- Every township of the year's list, of units that have reported, and whether it has a licensed public
-- kindergarten.
with reported as (
    select distinct region_code, year from {{ ref('stg_kindergarten') }}
)

select
    r.region_code,
    r.year,
    t.township_name,
    exists (
        from {{ ref('stg_kindergarten') }} k
        where k.region_code = r.region_code
            and k.year = r.year
            and k.township = t.township_name
            and k.ownership = '公办'
            and k.licensed
    ) as is_covered
from reported r
join {{ ref('stg_town') }} t
    on t.region_code = r.region_code
    and r.year between coalesce(t.valid_from_year, r.year) and coalesce(t.valid_to_year, r.year)
