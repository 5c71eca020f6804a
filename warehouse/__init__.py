"""Floor 2: where submissions are kept, and what is computed and published from them.

The archive of originals is the only thing that cannot be made again; the DuckDB warehouse, the
indicators and every publication follow from it.
"""
