{# The ratio of two averages as one fraction; a city's is made of its sums, not of its units' parts. #}
{% macro teacher_pay_top() %}
    sum(teacher_pay_total)::decimal(24, 6) * sum(civil_servants)::decimal(14, 0)
{% endmacro %}

{% macro teacher_pay_bottom() %}
    sum(civil_pay_total)::decimal(24, 6) * sum(teachers)::decimal(14, 0)
{% endmacro %}
