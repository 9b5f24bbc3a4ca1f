"""Where the real data samples are: `XTL_SHARED`, else `shared` beside the checkout. They are never in the repository.

`needs_samples` skips a test where they are missing; the run's header says so loudly (see conftest.py), and CI sets
`XTL_REQUIRE_SAMPLES` so that there a missing folder fails instead.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("XTL_SHARED") or Path(__file__).resolve().parents[2] / "shared")
DATA = SHARED / "data"
HAVE = DATA.is_dir()

needs_samples = pytest.mark.skipif(
    not HAVE and not os.environ.get("XTL_REQUIRE_SAMPLES"),
    reason=f"NOT RUN: the real data samples are not at {DATA}",
)
