"""`jzedu check`: a dry run over single files, for a county clerk or an engineer.

The files are read and checked as the nightly run would, without archive, database or Prefect.
Where there is a warehouse, the files are then loaded into a copy of it and the checks across forms
and years run there as well.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from flows import steps
from flows.rehearsal import rehearse
from flows.settings import Settings, load_settings
from transforms.formats import open_zip
from transforms.gate import Document, Examined, examine
from transforms.reading import read_file
from transforms.returns import write_return_sheet
from warehouse.archive import Archive, Receipt
from warehouse.reference import Reference, load_reference
