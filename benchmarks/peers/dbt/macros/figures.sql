{# Numerator and denominator of one indicator, for every unit and year of a staging model. #}
{% macro figure(indicator, relation, numerator, denominator='null', asked='null', rows='true') %}
select
    '{{ indicator }}' as indicator_id,
    region_code,
    year,
    coalesce({{ numerator }}, 0)::decimal(38, 6) as numerator,
    {{ denominator }}::decimal(38, 6) as denominator,
    {{ asked }}::bigint as asked
from {{ relation }}
where {{ rows }}
group by region_code, year
{% endmacro %}

{# A count or a sum. #}
{% macro total(indicator, relation, value, rows='true') %}
{{ figure(indicator, relation, value, rows=rows) }}
{% endmacro %}

{% macro ratio(indicator, relation, top, bottom, rows='true') %}
{{ figure(indicator, relation, top, 'coalesce(' ~ bottom ~ ', 0)', rows=rows) }}
{% endmacro %}

{# The share of some rows that pass a test. A unit without such rows has 0 of 0. #}
{% macro share(indicator, relation, test, among='true', rows='true') %}
{{ figure(
    indicator, relation,
    'count(*) filter ((' ~ among ~ ') and (' ~ test ~ '))',
    'count(*) filter (' ~ among ~ ')',
    rows=rows
) }}
{% endmacro %}

{# The same of those who have answered; `asked` counts the others too. #}
{% macro answers(indicator, relation, test, among='true') %}
{{ figure(
    indicator, relation,
    'count(*) filter ((' ~ among ~ ') and (' ~ test ~ '))',
    'count(*) filter ((' ~ among ~ ') and (' ~ test ~ ') is not null)',
    'count(*) filter (' ~ among ~ ')'
) }}
{% endmacro %}
