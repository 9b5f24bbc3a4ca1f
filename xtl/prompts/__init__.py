"""Prompts of the arm `prompted`: one readable file a form, read whole into a stage's spec, so that a changed prompt is
another stage."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

#: Forms that can be asked about in words, and the file of each.
FORMS = ("pair", "span")


@cache
def prompts() -> Mapping[str, Mapping[str, Any]]:
    """By task: `text`, `cut`, and for pairs `answers`."""
    found: dict[str, Mapping[str, Any]] = {}
    for form in FORMS:
        found |= yaml.safe_load((Path(__file__).parent / f"{form}.yaml").read_text(encoding="utf-8"))
    return found
