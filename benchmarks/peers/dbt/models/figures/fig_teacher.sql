{% set teacher = ref('stg_teacher') %}

{{ total('paid_tutoring_cases', teacher, 'sum(paid_tutoring_cases)') }}
union all
{{ ratio('teacher_rotation_rate', teacher, 'sum(rotated)', 'sum(eligible_rotation)') }}
union all
{{ ratio('outside_training_share', teacher, 'sum(trained_outside)', 'sum(full_time_teachers)') }}
union all
{{ ratio('dual_qualified_teacher_share', teacher, 'sum(dual_qualified)', 'sum(professional_teachers)') }}
union all
{{ total('misconduct_cases', teacher, 'sum(misconduct_cases)') }}
union all
{{ ratio(
    'head_rotation_rate', teacher, 'sum(heads_rotated)', 'sum(heads_eligible)',
    rows='heads_eligible is not null'
) }}
union all
{{ ratio(
    'backbone_rotation_to_weak_share', teacher, 'sum(backbone_rotated_weak)', 'sum(backbone_rotated)',
    rows='backbone_rotated is not null'
) }}
