"""The publication: its tables, how it is written and put in its place, and the one way to read it."""
