"""What a command took is measured with all that it has started; a night tells its steps."""

from __future__ import annotations

import io
import sys

from rich.console import Console

from benchmarks.measure import Measured, measure
from benchmarks.nights import steps_of
from flows.progress import Steps

#: Leaves a process behind that holds 200 MB for a moment, as a server that ends by itself.
LEAVES_ONE = """
import subprocess, sys
held = "sum(bytearray(200_000_000))"
subprocess.Popen([sys.executable, "-c", held], start_new_session=True)
print("left")
sys.exit(3)
"""


def test_what_is_left_running_is_waited_for_and_counted() -> None:
    measured = measure([sys.executable, "-c", LEAVES_ONE])
    assert (measured.code, measured.output) == (3, "left\n")
    assert measured.memory > 150_000_000
    assert measured.cpu > 0


def test_the_steps_of_a_night_are_read_as_they_are_told() -> None:
    said = io.StringIO()
    shown = Steps(Console(file=said))
    shown.done("pull", 0.26)
    shown.done("load", 13.04, 508)
    night = Measured(20.0, 20.0, 0, 0, said.getvalue())
    assert steps_of(night) == {"pull": 0.3, "load": 13.0}
