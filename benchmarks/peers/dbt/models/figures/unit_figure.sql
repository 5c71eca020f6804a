{% set figures = [
    ref('fig_school'), ref('fig_kindergarten'), ref('fig_class'), ref('fig_vocational'),
    ref('fig_special_group'), ref('fig_safety'), ref('fig_money'), ref('fig_teacher'),
    ref('fig_milestone'), ref('fig_of_two_forms'),
] %}
{% for figure in figures %}
select * from {{ figure }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
