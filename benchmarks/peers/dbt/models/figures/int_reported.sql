{% set forms = {
    'school': ref('stg_school'), 'kindergarten': ref('stg_kindergarten'), 'class': ref('stg_class'),
    'population': ref('stg_population'), 'finance': ref('stg_finance'), 'salary': ref('stg_salary'),
    'teacher': ref('stg_teacher'), 'special_group': ref('stg_special_group'),
    'vocational': ref('stg_vocational'), 'safety': ref('stg_safety'), 'milestone': ref('stg_milestone'),
} %}
{% for form, staged in forms.items() %}
select distinct '{{ form }}' as form, region_code, year from {{ staged }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
