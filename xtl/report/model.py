"""A study's report as data: everything that any view of it (page, Markdown, LaTeX, terminal) shows, and nothing else.

`to_json` and `from_json` carry it between the machine that has the results (the reduce stage) and the one that shows
them, which needs neither numpy nor the test items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xtl.report.contrasts import ContrastResult
from xtl.report.study import Study

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Answer:
    """first: the first contrast in a sentence or two; sentences: every contrast, the first included; cautions: what
    keeps the figures from being more than they are."""

    first: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ArmFacts:
    """tasks: what the intermediate trains, as `TASK@LANG+LANG`. languages: all that it holds text in. examples: how
    many were seen, by task and language, as the manifests say; empty where no run is there."""

    name: str
    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    examples: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class LayerCurve:
    """Retrieval by layer, 0 being the embeddings: the headline metric, mean over the languages and seeds, on `split`.
    fixed: the layer of the headline; chosen: the best one, by `rule` (on dev, or oracle: where it is scored)."""

    model: str
    arm: str
    task: str
    split: str
    values: tuple[float, ...]
    fixed: int
    chosen: tuple[int, ...]
    rule: str
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """One stage behind the figures. settings: hyperparameters as the spec holds them; data: digests or hub commits by
    what they are of; seconds: of wall time; gpu_hours: 0 on a CPU. manifest and log: names in the store."""

    key: str
    kind: str
    title: str
    model: str = ""
    arm: str = ""
    task: str = ""
    seed: int | None = None
    done: bool
    settings: Mapping[str, Any]
    data: Mapping[str, str]
    packages: Mapping[str, str]
    device: str = ""
    seconds: float = 0.0
    gpu_hours: float = 0.0
    degenerate: tuple[str, ...] = ()
    manifest: str = ""
    log: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """missing: rows of the study without a result, as `arm seed task`. xtl: the version that made it."""

    grid: str
    setting: str
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    arms: tuple[ArmFacts, ...]
    table: Study
    contrasts: tuple[ContrastResult, ...]
    answer: Answer
    layers: tuple[LayerCurve, ...]
    runs: tuple[Run, ...]
    missing: tuple[str, ...]
    xtl: str
    key: str
    format: int = FORMAT


def to_json(report: Report) -> bytes:
    return _adapter().dump_json(report, indent=1) + b"\n"


def from_json(data: bytes) -> Report:
    """Raises UserError for a report of another format."""
    import json

    from xtl.errors import UserError

    found = json.loads(data).get("format")
    if found != FORMAT:
        raise UserError(f"the report in the store is of format {found}, this xtl reads {FORMAT}: make it anew")
    report: Report = _adapter().validate_json(data)
    return report


def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)
