-- Schools of units of which the form of kindergartens is there too: both are needed for the indicator.
select
    s.region_code,
    s.year,
    s.stage in ('小学', '九年一贯制学校') and s.founded_year between 2019 and s.year as is_new_primary,
    exists (
        from {{ ref('stg_kindergarten') }} k
        where k.region_code = s.region_code
            and k.year = s.year
            and k.attached_primary_code = s.institution_code
    ) as has_kindergarten
from {{ ref('stg_school') }} s
semi join {{ ref('stg_kindergarten') }} k using (region_code, year)
