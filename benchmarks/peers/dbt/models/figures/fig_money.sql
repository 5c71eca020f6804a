{% set finance, salary = ref('stg_finance'), ref('stg_salary') %}

{{ total('budget_education_expenditure', finance, 'sum(budget_expenditure)', rows="stage = '合计'") }}
union all
{{ ratio(
    'budget_expenditure_per_pupil', finance, 'sum(budget_expenditure)', 'sum(students_average)',
    rows="stage = '合计'"
) }}
union all
{{ ratio('teacher_pay_ratio', salary, teacher_pay_top(), teacher_pay_bottom()) }}
union all
{{ ratio('rural_subsidy_coverage', salary, 'sum(subsidy_paid)', 'sum(subsidy_due)') }}
union all
{{ ratio('head_teacher_allowance_coverage', salary, 'sum(allowance_paid)', 'sum(head_teachers)') }}
