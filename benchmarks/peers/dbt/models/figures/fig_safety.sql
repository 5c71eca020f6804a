{% set safety = ref('stg_safety') %}

{{ total('nonzero_start_cases', safety, 'sum(nonzero_start_cases)') }}
union all
{{ total('admission_violations', safety, 'sum(admission_violations)') }}
union all
{{ ratio('safety_hazards_fixed_share', safety, 'sum(hazards_fixed)', 'sum(hazards_found)') }}
union all
{{ ratio('bullying_handled_share', safety, 'sum(bullying_handled)', 'sum(bullying_reported)') }}
