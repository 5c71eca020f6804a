select
    region_code,
    year::integer as year,
    stage,
    grade::integer as grade,
    students::integer as students
from {{ source('raw', 'class') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
