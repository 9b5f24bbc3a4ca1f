"""Ranges of an object, read side by side and handed on in order."""

from __future__ import annotations

import time

import pytest

from xtl.store.ranges import Ranges


def test_nothing_is_written_any_more_when_a_reader_has_failed() -> None:
    """A thread that goes on would write into whatever has the file's number by then."""
    ranges, done = Ranges(4, 10), []

    def fetch(start: int, stop: int) -> bytes:
        if start == 0:
            raise ValueError("no such range")
        time.sleep(0.1)
        done.append(start)
        return b"x" * (stop - start)

    with pytest.raises(ValueError, match="no such range"):
        list(ranges.read(fetch, 40))
    seen = list(done)
    time.sleep(0.3)
    assert done == seen
