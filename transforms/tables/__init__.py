"""Cells to tables: forms recognised by their header, years, units, kinds of rows."""
