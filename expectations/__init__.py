"""Floor 3: the plan's clauses as data, the Great Expectations suites made of them, the verdicts.

The only floor that imports great_expectations.
"""
