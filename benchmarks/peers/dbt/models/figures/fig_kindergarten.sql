{% set kindergarten = ref('stg_kindergarten') %}

{{ ratio(
    'public_kindergarten_enrolment_share', kindergarten,
    "sum(children_enrolled) filter (ownership = '公办')", 'sum(children_enrolled)'
) }}
union all
{{ ratio(
    'inclusive_kindergarten_enrolment_share', kindergarten,
    'sum(children_enrolled) filter (inclusive)', 'sum(children_enrolled)'
) }}
union all
{{ share('township_public_kindergarten_coverage', ref('int_town_kindergarten'), 'is_covered') }}
union all
{{ total('unlicensed_kindergartens', kindergarten, 'count(*) filter (not licensed)') }}
union all
{{ total(
    'kindergartens_over_fee_ceiling', kindergarten,
    "count(*) filter (ownership = '民办' and monthly_fee > fee_ceiling)"
) }}
union all
{{ answers(
    'residential_kindergartens_governed_share', kindergarten, 'residential_governed', 'residential_quarter'
) }}
union all
{{ ratio(
    'new_public_kindergarten_share', kindergarten,
    "coalesce(bool_or(ownership = '公办' and licensed and founded_year between 2019 and year), false)::integer",
    '1'
) }}
union all
{{ answers('kindergarten_supervisor_share', kindergarten, 'supervisor_assigned', 'licensed') }}
