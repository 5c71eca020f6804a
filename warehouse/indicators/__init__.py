"""The indicators: their definitions, and the SQL that computes them."""
