-- Numerator and denominator from two forms, or two years: each part stands without the other.
with kindergarten as (
    select region_code, year, sum(children_enrolled) as children
    from {{ ref('stg_kindergarten') }}
    group by all
),

school as (
    select region_code, year, sum(senior_students) + sum(vocational_students) as students
    from {{ ref('stg_school') }}
    group by all
),

population as (
    select
        region_code,
        year,
        coalesce(sum(population) filter (age between 3 and 5), 0) as aged_3_to_5,
        coalesce(sum(population) filter (age between 15 and 17), 0) as aged_15_to_17
    from {{ ref('stg_population') }}
    group by all
),

junior as (
    select
        region_code,
        year,
        coalesce(sum(students) filter (grade = 7), 0) as seventh,
        coalesce(sum(students) filter (grade = 9), 0) as ninth
    from (
        select region_code, year, grade, case when stage = '初中' then students end as students
        from {{ ref('stg_class') }}
    )
    group by all
),

parts as (
    select 'preschool_gross_enrolment_rate' as indicator_id, region_code, year,
        children as numerator, aged_3_to_5 as denominator
    from kindergarten full join population using (region_code, year)
    union all
    select 'senior_secondary_gross_enrolment_rate', region_code, year, students, aged_15_to_17
    from school full join population using (region_code, year)
    union all
    select 'junior_retention_rate', j.region_code, j.year, j.ninth, b.seventh
    from junior j
    left join junior b on b.region_code = j.region_code and b.year = j.year - 2
)

select
    indicator_id,
    region_code,
    year,
    numerator::decimal(38, 6) as numerator,
    denominator::decimal(38, 6) as denominator,
    null::bigint as asked
from parts
