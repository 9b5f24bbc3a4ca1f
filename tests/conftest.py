"""Shared fixtures, and a header that says loudly what cannot run here."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from tests import samples

pytest_plugins = ["tests.s3server"]  # the fixture `s3`: a real S3 server, started when first asked for


def pytest_report_header() -> str:
    if samples.HAVE:
        return f"xtl: real data samples at {samples.DATA}"
    return f"xtl: NO REAL DATA SAMPLES at {samples.DATA}: tests on real data will NOT run (set XTL_SHARED)"
