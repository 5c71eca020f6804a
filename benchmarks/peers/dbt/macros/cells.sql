{% macro yes(column) %}case {{ column }} when '是' then true when '否' then false end{% endmacro %}

{# Excel keeps a time of day as a moment of its first day. #}
{% macro time_of(column) %}{{ column }}::timestamp::time{% endmacro %}
