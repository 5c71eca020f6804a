"""The eleven forms, one module each; :data:`FORMS` is the registry everything else reads.

Order is the order in which forms are shown.
"""

from __future__ import annotations

from transforms.forms.class_size import CLASS
from transforms.forms.finance import FINANCE
from transforms.forms.kindergarten import KINDERGARTEN
from transforms.forms.milestone import MILESTONE
from transforms.forms.model import Column, Form, Kind, RowCheck, Rule, TotalCheck
from transforms.forms.population import POPULATION
from transforms.forms.safety import SAFETY
from transforms.forms.salary import SALARY
from transforms.forms.school import SCHOOL
from transforms.forms.special_group import SPECIAL_GROUP
from transforms.forms.teacher import TEACHER
from transforms.forms.vocational import VOCATIONAL

FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        KINDERGARTEN,
        SCHOOL,
        CLASS,
        POPULATION,
        FINANCE,
        SALARY,
        TEACHER,
        SPECIAL_GROUP,
        VOCATIONAL,
        SAFETY,
        MILESTONE,
    )
}

__all__ = ["FORMS", "Column", "Form", "Kind", "RowCheck", "Rule", "TotalCheck"]
