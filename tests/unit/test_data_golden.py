"""The real samples: what every listing of `../shared/data` is, pinned; and CANON's own example lines, to the byte.

`make golden` writes `tests/golden/data/listings.json` again; a change there is a change of what studies are made of.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import samples
from xtl.cli.app import app
from xtl.tasks import TASKS
from xtl.tasks.canonical import line

GOLDEN = Path(__file__).parents[1] / "golden" / "data" / "listings.json"
_EXAMPLE = re.compile(r'`(\{"[^`]*\})`(?=$| ·)', re.MULTILINE)
_CANON = samples.SHARED / "CANON.md"


@samples.needs_samples
def test_golden_listings() -> None:
    result = CliRunner().invoke(app, ["data", "ls", "--from", str(samples.DATA), "-o", "json"])
    assert result.exit_code == 0
    if os.environ.get("XTL_WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(result.stdout, encoding="utf-8")
    assert json.loads(result.stdout) == json.loads(GOLDEN.read_text(encoding="utf-8"))


@samples.needs_samples
def test_borrowed_english_has_the_lenders_digests() -> None:
    found = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert found["xnli"]["en"]["train"] == found["mnli"]["en"]["train"]
    assert found["xquad"]["en"]["train"] == found["mlqa"]["en"]["train"] == found["squad_v1"]["en"]["train"]
    assert found["xquad"]["en"]["dev"] == found["squad_v1"]["en"]["dev"]


@samples.needs_samples
@pytest.mark.skipif(not _CANON.is_file(), reason="NOT RUN: CANON.md is not beside the samples")
def test_every_example_line_of_canon_is_read_from_the_samples() -> None:
    # Keys sorted, as examples are: what else stands in braces in CANON is no example.
    written = [
        text for text in _EXAMPLE.findall(_CANON.read_text(encoding="utf-8")) if '":' in text and "..." not in text
    ]
    written = [text for text in written if _is_example(text)]
    assert len(written) == 18
    read = {line(example) for task in TASKS.values() for one in task.listings(samples.DATA) for example in one.read()}
    assert [text for text in written if (text + "\n").encode() not in read] == []


def _is_example(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
