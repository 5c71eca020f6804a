select
    region_code,
    year::integer as year,
    township,
    ownership,
    {{ yes('inclusive') }} as inclusive,
    {{ yes('licensed') }} as licensed,
    {{ yes('residential_quarter') }} as residential_quarter,
    {{ yes('residential_governed') }} as residential_governed,
    monthly_fee::decimal(18, 6) as monthly_fee,
    fee_ceiling::decimal(18, 6) as fee_ceiling,
    children_enrolled::integer as children_enrolled,
    attached_primary_code,
    founded_year::integer as founded_year,
    {{ yes('supervisor_assigned') }} as supervisor_assigned
from {{ source('raw', 'kindergarten') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
