select
    region_code,
    year::integer as year,
    age::integer as age,
    population::integer as population
from {{ source('raw', 'population') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
