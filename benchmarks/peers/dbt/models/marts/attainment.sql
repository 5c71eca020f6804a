-- The verdict on every clause, of every unit and the city, in every year.
with ground as (
    select
        c.* exclude (threshold),
        v.* exclude (indicator_id),
        i.scale,
        i.is_share,
        l.indicator_id is not null as comparable,
        case when c.kind = 'never_falls' then l.value else v.value end as judged,
        case when c.kind = 'never_falls' then l.previous_value else c.threshold end as threshold,
        case when c.kind = 'never_falls' then coalesce(l.units, 0) else v.reporting_units end as entering,
        coalesce(v.asked - v.denominator, 0) as blanks
    from {{ ref('clauses') }} c
    join {{ ref('indicator_value') }} v using (indicator_id)
    join {{ ref('indicators') }} i using (indicator_id)
    left join {{ ref('like_for_like') }} l
        on c.kind = 'never_falls'
        and l.indicator_id = v.indicator_id
        and l.region_code = v.region_code
        and l.year = v.year
),

lined as (
    select
        *,
        first_value(year) over earliest as first_year,
        first_value(judged) over earliest as first_judged,
        first_judged + (threshold - first_judged) * (year - first_year)
            / nullif(due_year - first_year, 0) as line
    from ground
    window earliest as (
        partition by clause_id, region_code
        order by not (known and applies and value is not null), year
    )
),

-- Where a share of answers has blanks, the verdict must be the same whatever the blanks would say.
read_three_ways as (
    select
        *,
        {{ verdict('judged') }} as as_reported,
        {{ verdict('(scale * numerator::double / (denominator + blanks)::double)') }} as blanks_against,
        {{ verdict('(scale * (numerator + blanks)::double / (denominator + blanks)::double)') }} as blanks_for
    from lined
)

select
    clause_id,
    indicator_id,
    region_code,
    year,
    judged as value,
    threshold,
    case
        when expected_units = 0 then 'not_applicable'
        when not known then 'no_data'
        when not applies or (is_share and denominator = 0 and coalesce(asked, 0) = 0) then 'not_applicable'
        when value is null or (kind = 'never_falls' and not comparable) then 'no_data'
        when kind = 'monitor' or year < effective_from then 'monitored'
        when not is_unit and entering < 0.8 * expected_units
            and not (as_reported = 'not_met' and not is_share and comparator = '<=' and kind <> 'never_falls')
            then 'insufficient'
        when blanks > 0 and (as_reported <> blanks_against or as_reported <> blanks_for) then 'insufficient'
        else as_reported
    end as status
from read_three_ways
