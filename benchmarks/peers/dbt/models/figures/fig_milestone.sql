-- A unit without the row that answers has not reported, and has no row here.
{% set milestone = ref('stg_milestone') %}

{{ total(
    'provincial_rank', milestone, 'sum(quantity)', rows="item = '省内综合排名' and quantity is not null"
) }}
union all
{{ total(
    'exchange_projects', milestone, 'sum(quantity)', rows="item = '对外交流项目' and quantity is not null"
) }}
union all
{{ total(
    'paju_exchange_projects', milestone, 'sum(quantity)',
    rows="item = '坡州市交流项目' and quantity is not null"
) }}
union all
{{ share(
    'burden_monitoring_started_share', milestone, "status in ('进行中', '已完成')",
    rows="item = '学业负担监测机制'"
) }}
union all
-- The reform goes by two names, and one of them is enough.
{{ ratio(
    'county_managed_hiring_started_share', milestone,
    "bool_or(status in ('进行中', '已完成'))::integer", '1',
    rows="item in ('县管校聘改革', '局管校聘改革')"
) }}
