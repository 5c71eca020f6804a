select region_code, region_name, kind, parent_code
from {{ source('raw', 'regions') }}
where level = 'reporting_unit'
