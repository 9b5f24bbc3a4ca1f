"""accelerate keeps one precision a process, as a stage does; tests use several."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _accelerate_afresh() -> None:
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
