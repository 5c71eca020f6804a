{% macro reaches(value, threshold) %}
    case comparator when '>=' then {{ value }} >= {{ threshold }} else {{ value }} <= {{ threshold }} end
{% endmacro %}

{# What a value is worth by the clause of its row: reached, due, or on the line to the threshold. #}
{% macro verdict(value) %}
    case
        when {{ reaches(value, 'threshold') }} then 'met'
        when kind in ('standing', 'never_falls') or year >= due_year then 'not_met'
        when kind = 'milestone' or first_year >= year then 'not_due'
        when {{ reaches(value, 'line') }} then 'on_track'
        else 'off_track'
    end
{% endmacro %}
