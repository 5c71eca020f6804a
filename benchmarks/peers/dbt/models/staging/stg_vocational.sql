select
    region_code,
    year::integer as year,
    r.kind,
    {{ yes('transformed') }} as transformed,
    {{ yes('layout_adjusted') }} as layout_adjusted,
    {{ yes('integrated') }} as integrated,
    partnerships::integer as partnerships,
    programmes::integer as programmes,
    programmes_matched::integer as programmes_matched
from {{ source('raw', 'vocational') }} r
join {{ ref('stg_unit') }} u on u.region_name = r.unit
