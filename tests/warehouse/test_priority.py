"""What a run waits for last gives way to it, whatever the run itself has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASKED = "from warehouse.priority import of_what_can_wait; print(of_what_can_wait())"


@pytest.mark.parametrize(("run_has", "gives_way"), [(0, 5), (10, 15), (17, 19)])
def test_it_gives_way_to_its_run(run_has: int, gives_way: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if own > run_has:
        pytest.skip(f"these tests give way themselves, by {own}")
    command = ["nice", "-n", str(run_has - own), sys.executable, "-c", ASKED]
    assert subprocess.check_output(command, text=True).split() == [str(gives_way)]
