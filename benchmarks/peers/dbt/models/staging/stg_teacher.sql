select
    region_code,
    year::integer as year,
    full_time_teachers::integer as full_time_teachers,
    eligible_rotation::integer as eligible_rotation,
    rotated::integer as rotated,
    trained_outside::integer as trained_outside,
    professional_teachers::integer as professional_teachers,
    dual_qualified::integer as dual_qualified,
    misconduct_cases::integer as misconduct_cases,
    paid_tutoring_cases::integer as paid_tutoring_cases,
    heads_eligible::integer as heads_eligible,
    heads_rotated::integer as heads_rotated,
    backbone_rotated::integer as backbone_rotated,
    backbone_rotated_weak::integer as backbone_rotated_weak
from {{ source('raw', 'teacher') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
