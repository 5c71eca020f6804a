{% set class = ref('stg_class') %}

{{ share('large_class_share', class, 'students >= 56', "stage in ('小学', '初中')") }}
union all
{{ share('primary_class_within_45_share', class, 'students <= 45', "stage = '小学'") }}
union all
{{ share('junior_class_within_50_share', class, 'students <= 50', "stage = '初中'") }}
