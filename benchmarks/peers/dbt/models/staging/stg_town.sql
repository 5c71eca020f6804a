select
    county_code as region_code,
    township_name,
    valid_from_year::integer as valid_from_year,
    valid_to_year::integer as valid_to_year
from {{ source('raw', 'townships') }}
where kind in ('镇', '乡', '民族乡')
