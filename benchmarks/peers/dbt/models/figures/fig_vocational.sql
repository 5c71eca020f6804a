{% set vocational = ref('stg_vocational') %}

{{ answers(
    'city_vocational_layout_share', vocational, 'layout_adjusted and integrated', "kind = '城区中职学校'"
) }}
union all
{{ total('school_enterprise_partnerships', vocational, 'sum(partnerships)') }}
union all
{{ ratio('industry_matched_programme_share', vocational, 'sum(programmes_matched)', 'sum(programmes)') }}
union all
{{ answers('vocational_centres_transformed_share', ref('int_vocational_centre'), 'transformed') }}
