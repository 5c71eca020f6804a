{# No two rows have the same values in these columns. #}
{% test unique_together(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by all
having count(*) > 1
{% endtest %}

{# The threshold of a clause as a test: those who miss it are its rows. #}
{% test clause_is_met(model, clause_id) %}
select region_code, year, value, threshold
from {{ model }}
where clause_id = '{{ clause_id }}' and status in ('not_met', 'off_track')
{% endtest %}
