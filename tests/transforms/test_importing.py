"""Importing large libraries: what the garbage collector is kept from."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from transforms.importing import no_collecting

#: How often Python 3.11 collects of itself.
AS_SHIPPED = (700, 10, 10)


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Leave the collector of the other tests as it was."""
    before = gc.get_threshold()
    gc.set_threshold(*AS_SHIPPED)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    gc.enable()


def test_what_an_import_makes_is_not_gone_over_and_what_follows_less_often() -> None:
    frozen = gc.get_freeze_count()
    with no_collecting():
        assert not gc.isenabled()
    assert gc.get_freeze_count() > frozen
    assert gc.isenabled()
    young, *older = gc.get_threshold()
    assert young > AS_SHIPPED[0]
    assert tuple(older) == AS_SHIPPED[1:]


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with no_collecting():
        pass
    assert not gc.isenabled()
