{% set school = ref('stg_school') %}

{{ answers('arrival_compliance_share', school, "arrival_time >= time '07:50:00'", 'is_compulsory') }}
union all
{{ answers('lesson_start_compliance_share', school, "class_start_time >= time '08:00:00'", 'is_compulsory') }}
union all
{{ answers(
    'lesson_start_national_share', school,
    "class_start_time >= case when primary_students > 0 then time '08:20:00' else time '08:00:00' end",
    "is_compulsory or stage = '普通高中'"
) }}
union all
{{ share(
    'junior_evening_study_compliance_share', school, "evening_end_time <= time '21:00:00'",
    'boarding and junior_students > 0 and evening_end_time is not null'
) }}
union all
{{ answers('after_school_service_share', school, 'after_school_service', 'is_compulsory') }}
union all
{{ answers('mental_health_teacher_share', school, 'mental_health_teacher') }}
union all
{{ share(
    'oversized_school_share', school,
    "primary_students + junior_students
        > case when stage in ('九年一贯制学校', '十二年一贯制学校') then 2500 else 2000 end",
    'is_compulsory'
) }}
union all
{{ answers('boarding_conditions_share', school, 'boarding_standard', 'boarding') }}
union all
{{ answers(
    'rural_basic_conditions_share', school, 'conditions_standard',
    "is_compulsory and urban_rural in ('镇区', '乡村')"
) }}
union all
{{ ratio(
    'private_vocational_student_share', school,
    "sum(vocational_students) filter (ownership = '民办')", 'sum(vocational_students)'
) }}
union all
{{ total(
    'new_compulsory_schools', school,
    'count(*) filter (is_compulsory and founded_year between 2019 and year)'
) }}
union all
{{ answers('responsible_supervisor_share', school, 'supervisor_assigned') }}
union all
{{ answers('digital_teaching_coverage', school, 'digital_teaching') }}
union all
{{ answers('cloud_platform_share', school, 'cloud_platform') }}
union all
{{ answers('party_organisation_share', school, 'party_organisation') }}
union all
{{ share(
    'new_primary_with_kindergarten_share', ref('int_new_primary_school'), 'has_kindergarten', 'is_new_primary'
) }}
