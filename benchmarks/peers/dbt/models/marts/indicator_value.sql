-- Every indicator, of every unit and the city, in every year.
with unit_value as (
    select s.*, f.numerator, f.denominator, f.asked,
        s.is_reported and f.indicator_id is not null as known
    from {{ ref('int_unit_state') }} s
    left join {{ ref('unit_figure') }} f using (indicator_id, region_code, year)
),

city_pay as (
    select
        u.parent_code as region_code,
        s.year,
        'teacher_pay_ratio' as indicator_id,
        {{ teacher_pay_top() }} as numerator,
        {{ teacher_pay_bottom() }} as denominator
    from {{ ref('stg_salary') }} s
    join {{ ref('stg_unit') }} u using (region_code)
    group by all
),

region_value as (
    select indicator_id, region_code, year, numerator, denominator, asked, known, applies,
        known::integer as reporting_units, expected::integer as expected_units, true as is_unit
    from unit_value
    union all
    select indicator_id, parent_code, year,
        sum(numerator) filter (known), sum(denominator) filter (known), sum(asked) filter (known),
        bool_or(known), bool_or(expected), count(*) filter (known), count(*) filter (expected), false
    from unit_value
    group by all
),

whole as (
    select v.* replace (
        coalesce(p.numerator, v.numerator) as numerator,
        coalesce(p.denominator, v.denominator) as denominator
    )
    from region_value v
    left join city_pay p using (indicator_id, region_code, year)
)

select
    w.*,
    case
        when not i.is_share then w.numerator::double
        when w.denominator <> 0 then i.scale * w.numerator::double / w.denominator::double
    end as value
from whole w
join {{ ref('indicators') }} i using (indicator_id)
where not (w.is_unit and i.scope = 'city')
