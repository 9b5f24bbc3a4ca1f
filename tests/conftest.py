"""Shared fixtures, a header that says loudly what cannot run here, and CI's rule that nothing may be skipped."""

from __future__ import annotations

import os
import signal

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests import samples

# A shell starts what is in its background with SIGINT ignored, and the programs that tests start would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.s3server"]  # the fixture `s3`: a real S3 server, started when first asked for

#: A skip whose reason says so is for what a machine cannot install, and stands in CI too.
HARDWARE = ("needs a GPU", "needs a cluster", "needs PyPI's torch")


def pytest_report_header() -> str:
    if samples.HAVE:
        return f"xtl: real data samples at {samples.DATA}"
    return f"xtl: NO REAL DATA SAMPLES at {samples.DATA}: tests on real data will NOT run (set XTL_SHARED)"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With XTL_NO_SKIPS=1 (CI), a test that was skipped for want of something installable fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("XTL_NO_SKIPS") or reporter is None or session.exitstatus != 0:
        return
    reasons = [str(report.longrepr[-1]) for report in reporter.stats.get("skipped", ())]
    wrong = [reason for reason in reasons if not any(what in reason for what in HARDWARE)]
    if wrong:
        reporter.write_line(f"XTL_NO_SKIPS: {len(wrong)} tests were skipped, the first: {wrong[0]}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
