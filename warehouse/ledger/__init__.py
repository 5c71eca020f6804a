"""What was received, row by row: the tables of ``warehouse.duckdb``, and how they are filled."""
