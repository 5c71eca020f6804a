select
    region_code,
    year::integer as year,
    teacher_pay_total::decimal(18, 6) as teacher_pay_total,
    civil_pay_total::decimal(18, 6) as civil_pay_total,
    teachers::integer as teachers,
    civil_servants::integer as civil_servants,
    subsidy_due::integer as subsidy_due,
    subsidy_paid::integer as subsidy_paid,
    head_teachers::integer as head_teachers,
    allowance_paid::integer as allowance_paid
from {{ source('raw', 'salary') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
