-- Every unit in the scope of an indicator, every year: are the forms expected, and are they there?
with expected as (
    select u.region_code, f.form
    from {{ ref('stg_unit') }} u
    cross join (select distinct form from {{ ref('indicator_forms') }}) f
    anti join {{ ref('not_expected') }} n on n.region_code = u.region_code and n.form = f.form
),

years as (
    select distinct year from {{ ref('int_reported') }}
),

in_scope as (
    select i.indicator_id, u.region_code, u.parent_code
    from {{ ref('indicators') }} i
    join {{ ref('stg_unit') }} u on case i.scope
        when 'townships' then u.region_code in (select region_code from {{ ref('stg_town') }})
        when 'counties' then u.kind in ('市辖区', '县', '县级市')
        else i.indicator_id <> 'provincial_rank' or u.kind = '市直'
    end
)

select
    s.indicator_id,
    s.region_code,
    s.parent_code,
    y.year,
    bool_and(e.form is not null) as applies,
    bool_or(e.form is not null) as expected,
    coalesce(bool_and(r.form is not null) filter (e.form is not null), false) as is_reported
from in_scope s
cross join years y
join {{ ref('indicator_forms') }} f on f.indicator_id = s.indicator_id
left join expected e on e.region_code = s.region_code and e.form = f.form
left join {{ ref('int_reported') }} r
    on r.region_code = s.region_code
    and r.form = f.form
    and r.year = y.year - f.years_before
group by all
