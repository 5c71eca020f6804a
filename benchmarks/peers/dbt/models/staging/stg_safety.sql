select
    region_code,
    year::integer as year,
    hazards_found::integer as hazards_found,
    hazards_fixed::integer as hazards_fixed,
    bullying_reported::integer as bullying_reported,
    bullying_handled::integer as bullying_handled,
    nonzero_start_cases::integer as nonzero_start_cases,
    admission_violations::integer as admission_violations
from {{ source('raw', 'safety') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
