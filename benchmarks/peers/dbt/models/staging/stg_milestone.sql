select
    region_code,
    year::integer as year,
    item,
    status,
    quantity::decimal(18, 6) as quantity
from {{ source('raw', 'milestone') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
