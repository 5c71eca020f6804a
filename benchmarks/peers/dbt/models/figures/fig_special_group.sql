{% set special_group = ref('stg_special_group') %}

{{ ratio(
    'disabled_children_enrolment_rate', special_group, 'sum(disabled_enrolled)', 'sum(disabled_school_age)'
) }}
union all
{{ ratio('student_aid_coverage', special_group, 'sum(aid_received)', 'sum(aid_eligible)') }}
union all
{{ total('dropouts', special_group, 'sum(dropouts)') }}
union all
{{ ratio(
    'migrant_public_school_share', special_group, 'sum(migrant_in_public)', 'sum(migrant_children)'
) }}
union all
{{ ratio('left_behind_cared_share', special_group, 'sum(left_behind_cared)', 'sum(left_behind)') }}
