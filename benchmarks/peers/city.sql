-- All indicators and verdicts of the plan in plain DuckDB SQL, from the schema raw that load.py fills.
-- Written by hand, as somebody would who knows the plan by heart and needs nothing but the figures.

-- Typed rows ----------------------------------------------------------------------------------------

CREATE MACRO yes(answer) AS CASE answer WHEN '是' THEN true WHEN '否' THEN false END;
CREATE MACRO time_of(cell) AS cell::TIMESTAMP::TIME;

CREATE TABLE unit AS
SELECT region_code, region_name, kind, parent_code FROM raw.regions WHERE level = 'reporting_unit';

CREATE TABLE school AS
SELECT region_code, year::INTEGER AS year, institution_code, urban_rural, stage, ownership,
    stage IN ('小学', '初中', '九年一贯制学校', '十二年一贯制学校', '完全中学') AS is_compulsory,
    founded_year::INTEGER AS founded_year, primary_students::INTEGER AS primary_students,
    junior_students::INTEGER AS junior_students, senior_students::INTEGER AS senior_students,
    vocational_students::INTEGER AS vocational_students, yes(boarding) AS boarding,
    yes(boarding_standard) AS boarding_standard, yes(conditions_standard) AS conditions_standard,
    time_of(arrival_time) AS arrival_time, time_of(class_start_time) AS class_start_time,
    time_of(evening_end_time) AS evening_end_time, yes(after_school_service) AS after_school_service,
    yes(supervisor_assigned) AS supervisor_assigned, yes(digital_teaching) AS digital_teaching,
    yes(cloud_platform) AS cloud_platform, yes(mental_health_teacher) AS mental_health_teacher,
    yes(party_organisation) AS party_organisation
FROM raw.school JOIN unit ON region_name = unit;

CREATE TABLE kindergarten AS
SELECT region_code, year::INTEGER AS year, township, ownership, yes(inclusive) AS inclusive,
    yes(licensed) AS licensed, yes(residential_quarter) AS residential_quarter,
    yes(residential_governed) AS residential_governed, monthly_fee::DECIMAL(18, 6) AS monthly_fee,
    fee_ceiling::DECIMAL(18, 6) AS fee_ceiling, children_enrolled::INTEGER AS children_enrolled,
    attached_primary_code, founded_year::INTEGER AS founded_year,
    yes(supervisor_assigned) AS supervisor_assigned
FROM raw.kindergarten JOIN unit ON region_name = unit;

CREATE TABLE class AS
SELECT region_code, year::INTEGER AS year, stage, grade::INTEGER AS grade,
    students::INTEGER AS students
FROM raw.class JOIN unit ON region_name = unit;

CREATE TABLE population AS
SELECT region_code, year::INTEGER AS year, age::INTEGER AS age, population::INTEGER AS population
FROM raw.population JOIN unit ON region_name = unit;

CREATE TABLE finance AS
SELECT region_code, year::INTEGER AS year, stage,
    budget_expenditure::DECIMAL(18, 6) AS budget_expenditure,
    students_average::INTEGER AS students_average
FROM raw.finance JOIN unit ON region_name = unit;

CREATE TABLE salary AS
SELECT region_code, year::INTEGER AS year, teacher_pay_total::DECIMAL(18, 6) AS teacher_pay_total,
    civil_pay_total::DECIMAL(18, 6) AS civil_pay_total, teachers::INTEGER AS teachers,
    civil_servants::INTEGER AS civil_servants, subsidy_due::INTEGER AS subsidy_due,
    subsidy_paid::INTEGER AS subsidy_paid, head_teachers::INTEGER AS head_teachers,
    allowance_paid::INTEGER AS allowance_paid
FROM raw.salary JOIN unit ON region_name = unit;

CREATE TABLE teacher AS
SELECT region_code, year::INTEGER AS year, full_time_teachers::INTEGER AS full_time_teachers,
    eligible_rotation::INTEGER AS eligible_rotation, rotated::INTEGER AS rotated,
    trained_outside::INTEGER AS trained_outside,
    professional_teachers::INTEGER AS professional_teachers,
    dual_qualified::INTEGER AS dual_qualified, misconduct_cases::INTEGER AS misconduct_cases,
    paid_tutoring_cases::INTEGER AS paid_tutoring_cases, heads_eligible::INTEGER AS heads_eligible,
    heads_rotated::INTEGER AS heads_rotated, backbone_rotated::INTEGER AS backbone_rotated,
    backbone_rotated_weak::INTEGER AS backbone_rotated_weak
FROM raw.teacher JOIN unit ON region_name = unit;

CREATE TABLE special_group AS
SELECT region_code, year::INTEGER AS year, disabled_school_age::INTEGER AS disabled_school_age,
    disabled_enrolled::INTEGER AS disabled_enrolled, dropouts::INTEGER AS dropouts,
    migrant_children::INTEGER AS migrant_children, migrant_in_public::INTEGER AS migrant_in_public,
    left_behind::INTEGER AS left_behind, left_behind_cared::INTEGER AS left_behind_cared,
    aid_eligible::INTEGER AS aid_eligible, aid_received::INTEGER AS aid_received
FROM raw.special_group JOIN unit ON region_name = unit;

CREATE TABLE vocational AS
SELECT region_code, year::INTEGER AS year, v.kind, yes(transformed) AS transformed,
    yes(layout_adjusted) AS layout_adjusted, yes(integrated) AS integrated,
    partnerships::INTEGER AS partnerships, programmes::INTEGER AS programmes,
    programmes_matched::INTEGER AS programmes_matched
FROM raw.vocational v JOIN unit u ON u.region_name = v.unit;

CREATE TABLE safety AS
SELECT region_code, year::INTEGER AS year, hazards_found::INTEGER AS hazards_found,
    hazards_fixed::INTEGER AS hazards_fixed, bullying_reported::INTEGER AS bullying_reported,
    bullying_handled::INTEGER AS bullying_handled,
    nonzero_start_cases::INTEGER AS nonzero_start_cases,
    admission_violations::INTEGER AS admission_violations
FROM raw.safety JOIN unit ON region_name = unit;

CREATE TABLE milestone AS
SELECT region_code, year::INTEGER AS year, item, status, quantity::DECIMAL(18, 6) AS quantity
FROM raw.milestone JOIN unit ON region_name = unit;

CREATE TABLE town AS
SELECT county_code AS region_code, township_name, valid_from_year::INTEGER AS valid_from_year,
    valid_to_year::INTEGER AS valid_to_year
FROM raw.townships WHERE kind IN ('镇', '乡', '民族乡');

-- Which figures of which unit are there -------------------------------------------------------------

CREATE TABLE reported AS
SELECT DISTINCT 'school' AS form, region_code, year FROM school
UNION ALL SELECT DISTINCT 'kindergarten', region_code, year FROM kindergarten
UNION ALL SELECT DISTINCT 'class', region_code, year FROM class
UNION ALL SELECT DISTINCT 'population', region_code, year FROM population
UNION ALL SELECT DISTINCT 'finance', region_code, year FROM finance
UNION ALL SELECT DISTINCT 'salary', region_code, year FROM salary
UNION ALL SELECT DISTINCT 'teacher', region_code, year FROM teacher
UNION ALL SELECT DISTINCT 'special_group', region_code, year FROM special_group
UNION ALL SELECT DISTINCT 'vocational', region_code, year FROM vocational
UNION ALL SELECT DISTINCT 'safety', region_code, year FROM safety
UNION ALL SELECT DISTINCT 'milestone', region_code, year FROM milestone;

CREATE TABLE expected AS
SELECT region_code, form FROM unit CROSS JOIN (SELECT DISTINCT form FROM reported)
ANTI JOIN seed.not_expected USING (region_code, form);

-- Numerators and denominators of the units, form by form --------------------------------------------
-- asked is NULL but for shares of answers, where the denominator counts only those who answered.

CREATE MACRO figure(id, top, bottom) AS {
    'indicator_id': id, 'numerator': coalesce(top, 0)::DECIMAL(38, 6),
    'denominator': bottom::DECIMAL(38, 6), 'asked': NULL::BIGINT
};
CREATE MACRO total(id, top) AS figure(id, top, NULL);
CREATE MACRO ratio(id, top, bottom) AS figure(id, top, coalesce(bottom, 0));
CREATE MACRO share(id, rows_of, test)
    AS figure(id, count(*) FILTER (rows_of AND test), count(*) FILTER (rows_of));
CREATE MACRO answers(id, rows_of, test) AS {
    'indicator_id': id, 'numerator': (count(*) FILTER (rows_of AND test))::DECIMAL(38, 6),
    'denominator': (count(*) FILTER (rows_of AND (test) IS NOT NULL))::DECIMAL(38, 6),
    'asked': count(*) FILTER (rows_of)
};

CREATE TABLE figures AS
SELECT region_code, year, [
    answers('arrival_compliance_share', is_compulsory, arrival_time >= TIME '07:50:00'),
    answers('lesson_start_compliance_share', is_compulsory, class_start_time >= TIME '08:00:00'),
    answers('lesson_start_national_share', is_compulsory OR stage = '普通高中', class_start_time
        >= CASE WHEN primary_students > 0 THEN TIME '08:20:00' ELSE TIME '08:00:00' END),
    share('junior_evening_study_compliance_share',
        boarding AND junior_students > 0 AND evening_end_time IS NOT NULL,
        evening_end_time <= TIME '21:00:00'),
    answers('after_school_service_share', is_compulsory, after_school_service),
    answers('mental_health_teacher_share', true, mental_health_teacher),
    share('oversized_school_share', is_compulsory, primary_students + junior_students
        > CASE WHEN stage IN ('九年一贯制学校', '十二年一贯制学校') THEN 2500 ELSE 2000 END),
    answers('boarding_conditions_share', boarding, boarding_standard),
    answers('rural_basic_conditions_share', is_compulsory AND urban_rural IN ('镇区', '乡村'),
        conditions_standard),
    ratio('private_vocational_student_share',
        sum(vocational_students) FILTER (ownership = '民办'), sum(vocational_students)),
    total('new_compulsory_schools',
        count(*) FILTER (is_compulsory AND founded_year BETWEEN 2019 AND year)),
    answers('responsible_supervisor_share', true, supervisor_assigned),
    answers('digital_teaching_coverage', true, digital_teaching),
    answers('cloud_platform_share', true, cloud_platform),
    answers('party_organisation_share', true, party_organisation)
] AS found FROM school GROUP BY ALL
UNION ALL
SELECT region_code, year, [
    ratio('public_kindergarten_enrolment_share',
        sum(children_enrolled) FILTER (ownership = '公办'), sum(children_enrolled)),
    ratio('inclusive_kindergarten_enrolment_share',
        sum(children_enrolled) FILTER (inclusive), sum(children_enrolled)),
    total('unlicensed_kindergartens', count(*) FILTER (NOT licensed)),
    total('kindergartens_over_fee_ceiling',
        count(*) FILTER (ownership = '民办' AND monthly_fee > fee_ceiling)),
    answers('residential_kindergartens_governed_share', residential_quarter, residential_governed),
    ratio('new_public_kindergarten_share',
        coalesce(bool_or(ownership = '公办' AND licensed AND founded_year BETWEEN 2019 AND year),
            false)::INTEGER, 1),
    answers('kindergarten_supervisor_share', licensed, supervisor_assigned)
] FROM kindergarten GROUP BY ALL
UNION ALL
SELECT region_code, year, [
    share('large_class_share', stage IN ('小学', '初中'), students >= 56),
    share('primary_class_within_45_share', stage = '小学', students <= 45),
    share('junior_class_within_50_share', stage = '初中', students <= 50)
] FROM class GROUP BY ALL
UNION ALL
SELECT region_code, year, [
    answers('city_vocational_layout_share', kind = '城区中职学校', layout_adjusted AND integrated),
    total('school_enterprise_partnerships', sum(partnerships)),
    ratio('industry_matched_programme_share', sum(programmes_matched), sum(programmes)),
    -- A form that names no centre counts as one that is not transformed.
    CASE WHEN count(*) FILTER (kind = '县级职教中心') > 0
        THEN answers('vocational_centres_transformed_share', kind = '县级职教中心', transformed)
        ELSE struct_update(ratio('vocational_centres_transformed_share', 0, 1), asked := 1::BIGINT)
    END
] FROM vocational GROUP BY ALL
UNION ALL
SELECT region_code, year, [
    ratio('disabled_children_enrolment_rate', sum(disabled_enrolled), sum(disabled_school_age)),
    ratio('student_aid_coverage', sum(aid_received), sum(aid_eligible)),
    total('dropouts', sum(dropouts)),
    ratio('migrant_public_school_share', sum(migrant_in_public), sum(migrant_children)),
    ratio('left_behind_cared_share', sum(left_behind_cared), sum(left_behind))
] FROM special_group GROUP BY ALL
UNION ALL
SELECT region_code, year, [
    total('nonzero_start_cases', sum(nonzero_start_cases)),
    total('admission_violations', sum(admission_violations)),
    ratio('safety_hazards_fixed_share', sum(hazards_fixed), sum(hazards_found)),
    ratio('bullying_handled_share', sum(bullying_handled), sum(bullying_reported))
] FROM safety GROUP BY ALL
UNION ALL
SELECT region_code, year, [
    total('budget_education_expenditure', sum(budget_expenditure)),
    ratio('budget_expenditure_per_pupil', sum(budget_expenditure), sum(students_average))
] FROM finance WHERE stage = '合计' GROUP BY ALL
UNION ALL
SELECT region_code, year, [
    ratio('teacher_pay_ratio',
        sum(teacher_pay_total)::DECIMAL(24, 6) * sum(civil_servants)::DECIMAL(14, 0),
        sum(civil_pay_total)::DECIMAL(24, 6) * sum(teachers)::DECIMAL(14, 0)),
    ratio('rural_subsidy_coverage', sum(subsidy_paid), sum(subsidy_due)),
    ratio('head_teacher_allowance_coverage', sum(allowance_paid), sum(head_teachers))
] FROM salary GROUP BY ALL
UNION ALL
SELECT region_code, year, [
    total('paid_tutoring_cases', sum(paid_tutoring_cases)),
    ratio('teacher_rotation_rate', sum(rotated), sum(eligible_rotation)),
    ratio('outside_training_share', sum(trained_outside), sum(full_time_teachers)),
    ratio('dual_qualified_teacher_share', sum(dual_qualified), sum(professional_teachers)),
    total('misconduct_cases', sum(misconduct_cases))
] FROM teacher GROUP BY ALL
UNION ALL
-- Those that need a row that answers: a unit without one has not reported.
SELECT region_code, year, [ratio('head_rotation_rate', sum(heads_rotated), sum(heads_eligible))]
FROM teacher WHERE heads_eligible IS NOT NULL GROUP BY ALL
UNION ALL
SELECT region_code, year,
    [ratio('backbone_rotation_to_weak_share', sum(backbone_rotated_weak), sum(backbone_rotated))]
FROM teacher WHERE backbone_rotated IS NOT NULL GROUP BY ALL
UNION ALL
SELECT region_code, year, [total('provincial_rank', sum(quantity))]
FROM milestone WHERE item = '省内综合排名' AND quantity IS NOT NULL GROUP BY ALL
UNION ALL
SELECT region_code, year, [total('exchange_projects', sum(quantity))]
FROM milestone WHERE item = '对外交流项目' AND quantity IS NOT NULL GROUP BY ALL
UNION ALL
SELECT region_code, year, [total('paju_exchange_projects', sum(quantity))]
FROM milestone WHERE item = '坡州市交流项目' AND quantity IS NOT NULL GROUP BY ALL
UNION ALL
SELECT region_code, year,
    [share('burden_monitoring_started_share', true, status IN ('进行中', '已完成'))]
FROM milestone WHERE item = '学业负担监测机制' GROUP BY ALL
UNION ALL
-- The reform goes by two names, and one of them is enough.
SELECT region_code, year, [ratio('county_managed_hiring_started_share',
    bool_or(status IN ('进行中', '已完成'))::INTEGER, 1)]
FROM milestone WHERE item IN ('县管校聘改革', '局管校聘改革') GROUP BY ALL
UNION ALL
SELECT r.region_code, r.year, [share('township_public_kindergarten_coverage', true, EXISTS (
    FROM kindergarten k WHERE k.region_code = r.region_code AND k.year = r.year
        AND k.township = t.township_name AND k.ownership = '公办' AND k.licensed))]
FROM (FROM reported WHERE form = 'kindergarten') r JOIN town t ON t.region_code = r.region_code
    AND r.year BETWEEN coalesce(t.valid_from_year, r.year) AND coalesce(t.valid_to_year, r.year)
GROUP BY ALL
UNION ALL
-- New primary schools, of units of which both forms are there.
SELECT s.region_code, s.year, [share('new_primary_with_kindergarten_share',
    s.stage IN ('小学', '九年一贯制学校') AND s.founded_year BETWEEN 2019 AND s.year, EXISTS (
        FROM kindergarten k WHERE k.region_code = s.region_code AND k.year = s.year
            AND k.attached_primary_code = s.institution_code))]
FROM school s SEMI JOIN kindergarten USING (region_code, year) GROUP BY ALL
UNION ALL
-- Two forms, or two years: each part stands without the other.
SELECT region_code, year, [figure_of_parts]
FROM (
    SELECT region_code, year, {
        'indicator_id': 'preschool_gross_enrolment_rate', 'numerator': n::DECIMAL(38, 6),
        'denominator': d::DECIMAL(38, 6), 'asked': NULL::BIGINT} AS figure_of_parts
    FROM (SELECT region_code, year, sum(children_enrolled) AS n FROM kindergarten GROUP BY ALL)
    FULL JOIN (SELECT region_code, year, coalesce(sum(population) FILTER (age BETWEEN 3 AND 5), 0)
        AS d FROM population GROUP BY ALL) USING (region_code, year)
    UNION ALL
    SELECT region_code, year, {
        'indicator_id': 'senior_secondary_gross_enrolment_rate', 'numerator': n::DECIMAL(38, 6),
        'denominator': d::DECIMAL(38, 6), 'asked': NULL::BIGINT}
    FROM (SELECT region_code, year, sum(senior_students) + sum(vocational_students) AS n
        FROM school GROUP BY ALL)
    FULL JOIN (SELECT region_code, year, coalesce(sum(population) FILTER (age BETWEEN 15 AND 17), 0)
        AS d FROM population GROUP BY ALL) USING (region_code, year)
    UNION ALL
    SELECT region_code, year, {
        'indicator_id': 'junior_retention_rate', 'numerator': n::DECIMAL(38, 6),
        'denominator': d::DECIMAL(38, 6), 'asked': NULL::BIGINT}
    FROM (SELECT region_code, year, coalesce(sum(students) FILTER (stage = '初中' AND grade = 9), 0)
        AS n FROM class GROUP BY ALL)
    LEFT JOIN (SELECT region_code, year + 2 AS year,
            coalesce(sum(students) FILTER (stage = '初中' AND grade = 7), 0) AS d
        FROM class GROUP BY ALL) USING (region_code, year)
);

CREATE TABLE unit_figure AS
SELECT region_code, year, unnest(found, recursive := true) FROM figures;

-- Units in scope, and whether all that is expected of them is there ----------------------------------

CREATE TABLE unit_state AS
SELECT i.indicator_id, u.region_code, u.parent_code, y.year,
    bool_and(e.form IS NOT NULL) AS applies,
    bool_or(e.form IS NOT NULL) AS expected,
    coalesce(bool_and(r.form IS NOT NULL) FILTER (e.form IS NOT NULL), false) AS is_reported
FROM seed.indicators i
JOIN unit u ON CASE i.scope
    WHEN 'townships' THEN u.region_code IN (SELECT region_code FROM town)
    WHEN 'counties' THEN u.kind IN ('市辖区', '县', '县级市')
    ELSE i.indicator_id <> 'provincial_rank' OR u.kind = '市直'
END
CROSS JOIN (SELECT DISTINCT year FROM reported) y
JOIN seed.indicator_forms f USING (indicator_id)
LEFT JOIN expected e ON (e.region_code, e.form) = (u.region_code, f.form)
LEFT JOIN reported r ON (r.region_code, r.form) = (u.region_code, f.form)
    AND r.year = y.year - f.years_before
GROUP BY ALL;

CREATE TABLE unit_value AS
SELECT s.*, n.numerator, n.denominator, n.asked,
    s.is_reported AND n.indicator_id IS NOT NULL AS known
FROM unit_state s LEFT JOIN unit_figure n USING (indicator_id, region_code, year);

-- What the city is made of: the sums of those units; of pay, the product of the sums.
CREATE TABLE city_pay AS
SELECT parent_code AS region_code, year, 'teacher_pay_ratio' AS indicator_id,
    sum(teacher_pay_total)::DECIMAL(24, 6) * sum(civil_servants)::DECIMAL(14, 0) AS numerator,
    sum(civil_pay_total)::DECIMAL(24, 6) * sum(teachers)::DECIMAL(14, 0) AS denominator
FROM salary JOIN unit USING (region_code) GROUP BY ALL;

CREATE TABLE indicator_value AS
WITH region_value AS (
    SELECT indicator_id, region_code, year, numerator, denominator, asked, known, applies,
        known::INTEGER AS reporting_units, expected::INTEGER AS expected_units, true AS is_unit
    FROM unit_value
    UNION ALL
    SELECT indicator_id, parent_code, year, sum(numerator) FILTER (known),
        sum(denominator) FILTER (known), sum(asked) FILTER (known), bool_or(known),
        bool_or(expected), count(*) FILTER (known), count(*) FILTER (expected), false
    FROM unit_value GROUP BY ALL
), whole AS (
    SELECT v.* REPLACE (coalesce(p.numerator, v.numerator) AS numerator,
        coalesce(p.denominator, v.denominator) AS denominator)
    FROM region_value v LEFT JOIN city_pay p USING (indicator_id, region_code, year)
)
SELECT w.*, CASE WHEN NOT i.is_share THEN w.numerator::DOUBLE
    WHEN w.denominator <> 0 THEN i.scale * w.numerator::DOUBLE / w.denominator::DOUBLE END AS value
FROM whole w JOIN seed.indicators i USING (indicator_id)
WHERE NOT (w.is_unit AND i.scope = 'city');

-- Verdicts ------------------------------------------------------------------------------------------

-- A clause that never falls compares the units that have a value in both years.
CREATE TABLE like_for_like AS
WITH both_years AS (
    SELECT v.indicator_id, v.region_code, u.parent_code, v.year, v.numerator AS n,
        v.denominator AS d, w.numerator AS n0, w.denominator AS d0
    FROM indicator_value v
    JOIN indicator_value w ON (w.indicator_id, w.region_code, w.year)
        = (v.indicator_id, v.region_code, v.year - 1)
    JOIN unit u ON u.region_code = v.region_code
    SEMI JOIN (FROM seed.clauses WHERE kind = 'never_falls') c ON c.indicator_id = v.indicator_id
    WHERE v.value IS NOT NULL AND w.value IS NOT NULL
), summed AS (
    SELECT indicator_id, region_code, year, 1 AS units, n, d, n0, d0 FROM both_years
    UNION ALL
    SELECT indicator_id, parent_code, year, count(*), sum(n), sum(d), sum(n0), sum(d0)
    FROM both_years GROUP BY ALL
)
SELECT indicator_id, region_code, year, units,
    scale * n::DOUBLE / coalesce(d, 1)::DOUBLE AS value,
    scale * n0::DOUBLE / coalesce(d0, 1)::DOUBLE AS previous_value
FROM summed JOIN seed.indicators USING (indicator_id);

CREATE MACRO reaches(value, comparator, threshold)
    AS CASE comparator WHEN '>=' THEN value >= threshold ELSE value <= threshold END;
CREATE MACRO verdict(value, kind, comparator, threshold, year, due_year, first_year, line) AS CASE
    WHEN reaches(value, comparator, threshold) THEN 'met'
    WHEN kind IN ('standing', 'never_falls') OR year >= due_year THEN 'not_met'
    WHEN kind = 'milestone' OR first_year >= year THEN 'not_due'
    WHEN reaches(value, comparator, line) THEN 'on_track'
    ELSE 'off_track' END;

CREATE TABLE attainment AS
WITH ground AS (
    SELECT c.* EXCLUDE (threshold), v.* EXCLUDE (indicator_id), i.scale, i.is_share,
        l.indicator_id IS NOT NULL AS comparable,
        CASE WHEN c.kind = 'never_falls' THEN l.value ELSE v.value END AS judged,
        CASE WHEN c.kind = 'never_falls' THEN l.previous_value ELSE c.threshold END AS threshold,
        CASE WHEN c.kind = 'never_falls' THEN coalesce(l.units, 0) ELSE v.reporting_units END
            AS entering,
        coalesce(v.asked - v.denominator, 0) AS blanks
    FROM seed.clauses c
    JOIN indicator_value v USING (indicator_id)
    JOIN seed.indicators i USING (indicator_id)
    LEFT JOIN like_for_like l ON c.kind = 'never_falls'
        AND (l.indicator_id, l.region_code, l.year) = (v.indicator_id, v.region_code, v.year)
), lined AS (
    SELECT *,
        first_value(year) OVER earliest AS first_year,
        first_value(judged) OVER earliest AS first_judged,
        (known AND applies AND value IS NOT NULL AND judged IS NOT NULL) AS has_value
    FROM ground
    WINDOW earliest AS (
        PARTITION BY clause_id, region_code
        ORDER BY NOT (known AND applies AND value IS NOT NULL), year)
), read_three_ways AS (
    SELECT *,
        first_judged + (threshold - first_judged) * (year - first_year)
            / nullif(due_year - first_year, 0) AS line,
        verdict(judged, kind, comparator, threshold, year, due_year, first_year, line)
            AS as_reported,
        verdict(scale * numerator::DOUBLE / (denominator + blanks)::DOUBLE, kind, comparator,
            threshold, year, due_year, first_year, line) AS blanks_against,
        verdict(scale * (numerator + blanks)::DOUBLE / (denominator + blanks)::DOUBLE, kind,
            comparator, threshold, year, due_year, first_year, line) AS blanks_for
    FROM lined
)
SELECT clause_id, indicator_id, region_code, year, judged AS value, threshold,
    CASE
        WHEN expected_units = 0 THEN 'not_applicable'
        WHEN NOT known THEN 'no_data'
        WHEN NOT applies OR (is_share AND denominator = 0 AND coalesce(asked, 0) = 0)
            THEN 'not_applicable'
        WHEN value IS NULL OR (kind = 'never_falls' AND NOT comparable) THEN 'no_data'
        WHEN kind = 'monitor' OR year < effective_from THEN 'monitored'
        WHEN NOT is_unit AND entering < 0.8 * expected_units AND NOT (
            as_reported = 'not_met' AND NOT is_share AND comparator = '<='
            AND kind <> 'never_falls') THEN 'insufficient'
        WHEN blanks > 0 AND (as_reported <> blanks_against OR as_reported <> blanks_for)
            THEN 'insufficient'
        ELSE as_reported
    END AS status
FROM read_three_ways;
