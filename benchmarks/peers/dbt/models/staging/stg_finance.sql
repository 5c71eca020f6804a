select
    region_code,
    year::integer as year,
    stage,
    budget_expenditure::decimal(18, 6) as budget_expenditure,
    students_average::integer as students_average
from {{ source('raw', 'finance') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
