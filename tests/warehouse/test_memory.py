"""How much memory there is, and that an open warehouse keeps to its part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from warehouse.memory import shared_memory
from warehouse.place import bound_memory, connect, give_back

MIB = 2**20


@pytest.mark.parametrize(
    ("files", "half"),
    [
        ({"proc/meminfo": "MemTotal:       8388608 kB\n"}, 4096),
        (
            {
                "proc/meminfo": "MemTotal:       8388608 kB\n",
                "proc/self/cgroup": "0::/system.slice/jzedu.service\n",
                "sys/fs/cgroup/system.slice/memory.max": "3221225472\n",
                "sys/fs/cgroup/system.slice/jzedu.service/memory.max": "max\n",
            },
            1536,
        ),
        (
            {
                "proc/meminfo": "MemTotal:       8388608 kB\n",
                "proc/self/cgroup": "5:devices:/\n4:cpu,memory:/docker/abc\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "2147483648\n",
            },
            1024,
        ),
        (
            {
                "proc/meminfo": "MemTotal:       1048576 kB\n",
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            512,
        ),
        ({"proc/meminfo": "MemTotal:       65536 kB\n"}, 256),
        ({}, 2048),
    ],
)
def test_half_of_what_the_machine_or_its_control_group_has(
    tmp_path: Path, files: dict[str, str], half: int
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "ascii")
    assert shared_memory(tmp_path) == half * MIB


@pytest.mark.parametrize(
    ("processors", "half", "rows", "bound"),
    [
        (1, 8192, 0, "320.0 MiB"),
        (2, 8192, 0, "320.0 MiB"),
        (8, 8192, 0, "1.2 GiB"),
        (8, 700, 0, "700.0 MiB"),
        (2, 8192, 2**23, "512.0 MiB"),
        (2, 400, 2**23, "400.0 MiB"),
    ],
)
def test_an_open_warehouse_takes_no_more_than_its_part(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    processors: int,
    half: int,
    rows: int,
    bound: str,
) -> None:
    """And the more, the more it holds: of what is asked of many rows not all can go to the disk."""
    monkeypatch.setattr("warehouse.place.os.cpu_count", lambda: processors)
    monkeypatch.setattr("warehouse.place.shared_memory", lambda: half * MIB)
    with connect(tmp_path / "warehouse.duckdb", read_only=False) as connection:
        connection.execute(f"CREATE TABLE many AS SELECT true AS held FROM range({rows})")
        connection.execute("CREATE TEMP TABLE of_the_run AS FROM range(10_000_000)")
        told = bound_memory(connection)
        ((limit,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        give_back(connection, told)
        assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [(limit,)]
    assert limit == bound
