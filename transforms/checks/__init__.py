"""The checks on typed rows: the grammar of a cell, the rules, and the findings they give."""
