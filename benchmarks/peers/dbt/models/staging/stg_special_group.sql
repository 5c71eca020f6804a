select
    region_code,
    year::integer as year,
    disabled_school_age::integer as disabled_school_age,
    disabled_enrolled::integer as disabled_enrolled,
    dropouts::integer as dropouts,
    migrant_children::integer as migrant_children,
    migrant_in_public::integer as migrant_in_public,
    left_behind::integer as left_behind,
    left_behind_cared::integer as left_behind_cared,
    aid_eligible::integer as aid_eligible,
    aid_received::integer as aid_received
from {{ source('raw', 'special_group') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
