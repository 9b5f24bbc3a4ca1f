"""The grid file: one YAML file is a study. `load` reads it whole or says everything that is wrong with it.

Mistakes come as one GridError with a `FILE:LINE: what, the value, what would be valid` for each, in the order of the
file. Loading looks at the file alone: whether data, models and stores exist is found out when the study is planned.
Folders (`data`, `store`, a model's) are relative to the grid file's own folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from xtl.arms import PROMPTED, Arm, Part
from xtl.errors import UserError
from xtl.grid_arms import read_arms, spellings
from xtl.grid_cluster import read_cluster
from xtl.grid_errors import Problems, choose, plain, show
from xtl.grid_models import StudyModel, folder_of, read_models
from xtl.grid_schema import ContrastSheet, Prompted, Sheet
from xtl.grid_targets import Target, read_targets
from xtl.grid_train import Train, read_train
from xtl.yaml_lines import Document, Loc, Mark, parse

__all__ = ["Arm", "Contrast", "Grid", "Part", "StudyModel", "Target", "Train", "load"]

#: What a grid cannot do without, and an example for the message.
REQUIRED = {
    "name": "name: my-study",
    "model": "model: FacebookAI/xlm-roberta-large",
    "seeds": "seeds: [1, 2, 3]",
    "intermediates": "intermediates: [none, mnli]",
    "targets": "targets: all",
}


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A comparison named before anything runs. arm and against are spellings of the grid's arms; tasks and languages
    are those compared, empty for all that the targets have. model: whose arm it is, "" for every model's;
    against_model: whose the baseline is, "" for the same."""

    name: str
    arm: str
    against: str
    model: str = ""
    against_model: str = ""
    tasks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A study. data: `hub`, `s3://...` or an absolute folder; so is store, or None where the command line must say.
    checkpoints: `last` first. cluster: as written, checked for its shape. text and path: the file as read."""

    name: str
    models: tuple[StudyModel, ...]
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    targets: tuple[Target, ...]
    contrasts: tuple[Contrast, ...] = ()
    train: Train = field(default_factory=Train)
    precision: Literal["bf16", "fp32"] = "bf16"
    prompted: Prompted = field(default_factory=Prompted)
    checkpoints: tuple[str, ...] = ("last",)
    setting: Literal["zero-shot", "translate-train"] = "zero-shot"
    data: str = "hub"
    store: str | None = None
    threads: int = 1
    cluster: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    path: Path = Path()


def load(path: Path | str) -> Grid:
    """The grid in a file. Raises GridError with every mistake, UserError where there is no file to read."""
    text = _text(path)
    document = parse(text)
    problems = Problems(plain(path), document)
    if document.data is None:
        if not problems:
            problems.at((), "the grid is empty: `xtl init` writes one to start from")
        raise problems.error()
    data = document.data
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if value is not None}
    sheet = problems.read(Sheet, data, ())
    if sheet is None:
        raise problems.error()
    problems.need(Sheet, document.data, (), "a grid", REQUIRED)
    read = _read(sheet, Path(path).absolute().parent, problems)
    if problems:
        raise problems.error()
    return Grid(**read, text=text, path=Path(path).absolute())


def _text(path: Path | str) -> str:
    name = plain(path)
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{name}: no such file; `xtl init {name}` writes a grid to start from") from None
    except IsADirectoryError:
        raise UserError(f"{name}: a folder; name the grid file in it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = Mark(line=data.count(b"\n", 0, error.start) + 1)
        document = Document(problems=[(mark, f"not UTF-8 text: byte 0x{data[error.start]:02x}")])
        raise Problems(plain(path), document).error() from None


def _read(sheet: Sheet, folder: Path, problems: Problems) -> dict[str, Any]:
    """Grid's fields but for the file itself. Complete where there are no problems."""
    items = sheet.intermediates or []
    arms = read_arms(items, problems)
    _unique("seeds", sheet.seeds or [], problems)
    models = read_models(sheet.model or [], sheet.attention, sheet.train, folder, problems)
    targets = read_targets(sheet.targets, sheet.setting, problems) if sheet.targets is not None else ()
    if sheet.prompted and PROMPTED not in spellings(items):
        what = f"prompted: the grid has no such arm: name `{PROMPTED}` among the intermediates, or leave this out"
        problems.at(("prompted",), what, key=True)
    return {
        "name": sheet.name,
        "models": models,
        "seeds": tuple(sheet.seeds or []),
        "arms": arms,
        "targets": targets,
        "contrasts": _contrasts(sheet.contrasts, spellings(items), [model.name for model in models], targets, problems),
        "train": read_train(sheet.train, arms, spellings(items), problems),
        "prompted": problems.read(Prompted, sheet.prompted or {}, ("prompted",)) or Prompted(),
        "precision": sheet.precision,
        "checkpoints": tuple(dict.fromkeys(("last", *sheet.checkpoints))),
        "setting": sheet.setting,
        "data": "hub" if sheet.data == "hub" else _place("data", sheet.data, folder, problems),
        "store": None if sheet.store is None else _place("store", sheet.store, folder, problems),
        "threads": sheet.threads,
        "cluster": {} if sheet.cluster is None else read_cluster(sheet.cluster, ("cluster",), problems),
    }


def _unique(key: str, values: Sequence[Any], problems: Problems) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            problems.at((key, index), f"{key}: {show(value)} is given twice")


def _place(key: str, text: str, folder: Path, problems: Problems) -> str:
    """A folder made absolute, an `s3://` prefix as it is."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/\S*)?", text):
            problems.at((key,), f"{key}: {show(text)} is neither a folder nor s3://bucket/prefix")
        return text.rstrip("/")
    return folder_of(key, (key,), text, folder, problems)


def _contrasts(
    items: Sequence[Any],
    arms: Sequence[str],
    models: Sequence[str],
    targets: Sequence[Target],
    problems: Problems,
) -> tuple[Contrast, ...]:
    found: list[Contrast] = []
    examples = dict.fromkeys(("name", "arm", "against"), "{name: german, arm: xnli@de, against: mnli}")
    for index, raw in enumerate(items):
        loc: Loc = ("contrasts", index)
        sheet = problems.read(ContrastSheet, raw, loc)
        if sheet is None:
            continue
        problems.need(ContrastSheet, raw, loc, "a contrast", examples)
        for key, spelling in (("arm", sheet.arm), ("against", sheet.against)):
            if spelling is not None and spelling not in arms:
                valid = choose(spelling, arms, among="intermediates")
                problems.at((*loc, key), f"{show(spelling)} names no intermediate of this grid{valid}")
        for key, name in (("model", sheet.model), ("against_model", sheet.against_model)):
            if name is not None and name not in models:
                problems.at(
                    (*loc, key), f"{show(name)} names no model of this grid{choose(name, models, among='models')}"
                )
        if sheet.against_model is not None and sheet.model is None:
            problems.at((*loc, "against_model"), "against_model without model: say whose arm it is, too")
        across = sheet.against_model is not None and sheet.against_model != sheet.model
        if sheet.arm is not None and sheet.arm == sheet.against and not across:
            problems.at((*loc, "against"), f"{show(sheet.arm)} is compared with itself")
        if sheet.name and any(sheet.name == other.name for other in found):
            problems.at((*loc, "name"), f"the contrast {sheet.name!r} is given twice")
        tasks = _among(sheet.tasks, [target.task for target in targets], "tasks", (*loc, "tasks"), problems)
        compared = [target for target in targets if not tasks or target.task in tasks]
        scored = [language for target in compared for language in target.languages]
        languages = _among(sheet.languages, scored, "languages", (*loc, "languages"), problems)
        found.append(
            Contrast(
                name=sheet.name or "", arm=sheet.arm or "", against=sheet.against or "", model=sheet.model or "",
                against_model=(sheet.against_model or "") if across else "", tasks=tasks, languages=languages,
            )
        )  # fmt: skip
    return tuple(found)


def _among(
    given: Sequence[str] | None, valid: Sequence[str], what: str, loc: Loc, problems: Problems
) -> tuple[str, ...]:
    """What is given, in the order of what there is; () for all of it."""
    valid = list(dict.fromkeys(valid))
    for index, one in enumerate(given or ()):
        if valid and one not in valid:  # without any, the targets are at fault and have been told so
            problems.at(
                (*loc, index), f"{show(one)} is none of what the contrast compares{choose(one, valid, among=what)}"
            )
        elif one in (given or ())[:index]:
            problems.at((*loc, index), f"{show(one)} is given twice")
    return tuple(one for one in valid if one in (given or ()))
