"""A study's report as data: everything that any view of it (page, Markdown, LaTeX, terminal) shows, and nothing else.

`to_json` and `from_json` carry it between the machine that has the results (the reduce stage) and the one that shows
them, which needs neither numpy nor the test items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from xtl.report.differences import ContrastResult
from xtl.report.study import Study, runs_told

FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Answer:
    """first: the first contrast in a sentence or two; sentences: every contrast, the first included; cautions: what
    keeps the figures from being more than they are."""

    first: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]


Range = tuple[int, int]
Pooling = Literal["mean", "last"]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What an intermediate saw of one task in one language, fewest and most over its runs. examples: that were drawn,
    each counted once; draws: how often one was; available: how many there were to draw from. examples and draws are
    None where a run did not count them."""

    available: Range
    examples: Range | None = None
    draws: Range | None = None


@dataclass(frozen=True, kw_only=True)
class ArmFacts:
    """tasks: what the intermediate trains, as `TASK@LANG+LANG`. languages: all that it holds text in. seen: by task and
    language, as the manifests say; empty where no run is there."""

    name: str
    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    seen: Mapping[str, Mapping[str, Seen]]


@dataclass(frozen=True, kw_only=True)
class LayerCurve:
    """Retrieval by layer, 0 being the embeddings: the headline metric, mean over the languages and seeds, on `split`.
    pooling: what stands for a sentence, the mean of its pieces (the headline) or its last one. fixed: the layer of the
    headline, None of last pieces, which have none; chosen: the best one, by `rule` (on dev, or oracle: where it is
    scored), with the score there. stages: behind the seeds; one alone where the seed changes nothing."""

    model: str
    arm: str
    task: str
    pooling: Pooling = "mean"
    split: str
    values: tuple[float, ...]
    fixed: int | None
    chosen: tuple[int, ...]
    rule: str
    score: float
    seeds: int
    stages: int

    @property
    def told(self) -> str:
        return runs_told(self.seeds, self.stages)

    @property
    def of(self) -> str:
        """What is shown of: the task, and what stands for a sentence where that is not the headline's."""
        return self.task if self.pooling == "mean" else f"{self.task}, last pieces,"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One stage behind the figures. settings: hyperparameters as the spec holds them; data: digests or hub commits by
    what they are of; seconds: of wall time; gpu_hours: 0 on a CPU. manifest and log: names in the store. why: it is
    not done, where that is known."""

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
    why: str = ""


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

    @property
    def sweeps(self) -> list[list[LayerCurve]]:
        """The curves that are shown together: of a model, task and pooling, one an arm."""
        found: dict[tuple[str, str, str], list[LayerCurve]] = {}
        for curve in self.layers:
            found.setdefault((curve.model, curve.task, curve.pooling), []).append(curve)
        return list(found.values())


def to_json(report: Report) -> bytes:
    return _adapter().dump_json(report, indent=1) + b"\n"


def from_json(data: bytes) -> Report:
    """Raises UserError for what is no report, or another xtl's that this one cannot read."""
    from pydantic import ValidationError

    from xtl.errors import UserError

    try:
        report: Report = _adapter().validate_json(data)
    except ValidationError as error:
        why = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, why["loc"])) or "as a whole"
        raise UserError(
            f"this xtl cannot read the report ({at}: {why['msg']}): make it anew with `xtl report`"
        ) from None
    if report.format != FORMAT:
        raise UserError(f"the report is of format {report.format}, this xtl reads {FORMAT}: make it anew")
    return report


def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)
