"""Every kind of arm that the question needs, run as stages: what was trained on is what the grid says, and is written
down by task and language."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs import finetune, stage, stop
from jobs.context import Context
from tests import smallworld
from tests.grids import grid
from xtl.cli.app import app
from xtl.inventory import look
from xtl.local import prepare
from xtl.plan import Plan, build
from xtl.scoring.table import scores_of
from xtl.store import commit, open_store
from xtl.store.base import Store

GRID = """\
name: arms
model: tiny
seeds: [1]
intermediates:
  - none
  - xnli@de
  - xnli@de:12
  - xnli@de:24
  - xnli@de+en:20
  - squad_v1@de
  - {name: stepped, tasks: [mnli:12]}
  - {name: mixture, tasks: [mnli, squad_v1], mix: {cap: 8}}
  - {name: beside-text, tasks: [mnli, mlm@de+en], mix: {cap: 24}}
targets: [xnli]
contrasts: [{name: german, arm: xnli@de, against: none}]
train:
  intermediate:
    default: {lr: 1e-3, epochs: 1, batch: 4, length: 32}
    squad_v1: {question_length: 8, stride: 8}
    stepped: {steps: 12}
  target: {default: {lr: 1e-3, epochs: 1, batch: 8, length: 32}}
precision: fp32
data: ./data
"""
PAIRS = len(smallworld.pairs("de"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Store]]:
    """All fetched and every intermediate trained, at most a second each."""
    folder = tmp_path_factory.mktemp("arms")
    data = smallworld.write(folder / "data")
    rows = [f"{a}\t{b}\t{label}" for a, b, label in smallworld.pairs("de")]
    _put(data / "xnli/XNLI-MT-1.0/multinli/multinli.train.de.tsv", "premise\thypo\tlabel\n" + "\n".join(rows) + "\n")
    (data / "translated/squad_v1/de").mkdir(parents=True)
    shutil.copy(data / "squad_v1.1/train-v1.1.json", data / "translated/squad_v1/de/train-v1.1.json")
    for language in ("de", "en"):
        _put(data / f"mlm/{language}.txt", "\n".join(smallworld.sentences(language)) + "\n")
    found = grid(GRID, folder)
    plan = build(found, look(found))
    store = open_store(str(folder / "store"))
    prepare(plan, store)
    for one in plan.stages.values():
        if one.kind in ("fetch", "intermediate"):
            assert stage.main(["--store", store.url, "--key", one.key]) == 0, one.title
    yield plan, store
    stop._asked.clear()


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def trained(study: tuple[Plan, Store], arm: str) -> dict[str, Any]:
    """The metrics of an arm's intermediate."""
    plan, store = study
    key = next(one.key for one in plan.stages.values() if one.title == f"intermediate {arm} seed 1")
    manifest = commit.read_manifest(store, key)
    assert manifest is not None
    return dict(manifest["metrics"])


@pytest.mark.parametrize(
    ("arm", "examples"),
    [
        ("xnli@de", {"xnli": {"de": PAIRS}}),
        ("xnli@de:12", {"xnli": {"de": 12}}),
        ("xnli@de:24", {"xnli": {"de": 24}}),
        ("squad_v1@de", {"squad_v1": {"de": 16}}),
        ("mixture", {"mnli": {"en": PAIRS}, "squad_v1": {"en": 16}}),
        ("beside-text", {"mnli": {"en": PAIRS}, "mlm": {"de": 16, "en": 16}}),
    ],
)
def test_the_manifest_says_how_many_examples_of_which_language_there_were(
    arm: str, examples: dict[str, dict[str, int]], study: tuple[Plan, Store]
) -> None:
    found = trained(study, arm)["trained_on"]
    assert {task: one["available"] for task, one in found.items()} == examples


def test_all_that_is_trained_on_for_an_epoch_is_seen(study: tuple[Plan, Store]) -> None:
    """Once: an epoch draws every input once, and these examples make an input each."""
    one = trained(study, "xnli@de:12")["trained_on"]["xnli"]
    assert one["examples"] == one["draws"] == one["available"] == {"de": 12}


def test_what_a_capped_mixture_never_drew_it_has_not_seen(study: tuple[Plan, Store]) -> None:
    """Two steps of four items are eight of each task, whatever there was to draw from."""
    found = trained(study, "mixture")["trained_on"]
    assert {task: one["examples"] for task, one in found.items()} == {"mnli": {"en": 8}, "squad_v1": {"en": 8}}
    text = trained(study, "beside-text")["trained_on"]["mlm"]
    assert sum(text["examples"].values()) == sum(text["draws"].values()) == 24


def test_steps_beyond_an_epoch_draw_the_same_examples_again(study: tuple[Plan, Store]) -> None:
    """Twelve steps of four: forty-eight draws of twelve pairs."""
    found = trained(study, "stepped")["trained_on"]["mnli"]
    assert (found["examples"], found["draws"]) == ({"en": 12}, {"en": 48})


def test_several_languages_share_the_size_of_one(study: tuple[Plan, Store]) -> None:
    found = trained(study, "xnli@de+en:20")["trained_on"]["xnli"]["available"]
    assert set(found) == {"de", "en"}
    assert sum(found.values()) == 20


def test_a_smaller_sample_lies_within_a_larger_one(study: tuple[Plan, Store], tmp_path: Path) -> None:
    """As the stage draws them: the same languages, the same seed, another size."""
    plan, store = study
    spec = next(one.spec for one in plan.stages.values() if one.title == "intermediate xnli@de:12 seed 1")
    heartbeat: Any = SimpleNamespace(say=lambda state, **figures: None)
    context = Context(
        key="k", attempt="a", spec=spec, where={}, store=store, out=tmp_path, work=tmp_path, heartbeat=heartbeat
    )
    drawn = {n: finetune.material(context, spec["parents"]["data"]["xnli"], n).examples for n in (12, 24)}
    ids = {n: [example["id"] for example in examples] for n, examples in drawn.items()}
    assert len(set(ids[12])) == 12
    assert set(ids[12]) < set(ids[24])


def test_equal_steps_where_sizes_differ(study: tuple[Plan, Store]) -> None:
    assert trained(study, "stepped")["steps"] == 12 == trained(study, "xnli@de")["steps"]


def test_a_mixture_is_drawn_by_capped_size(study: tuple[Plan, Store]) -> None:
    found = trained(study, "mixture")
    assert {task: one["steps"] for task, one in found["trained_on"].items()} == {"mnli": 2, "squad_v1": 2}
    assert found["steps"] == 4


def test_masked_lm_takes_its_steps_beside_the_task(study: tuple[Plan, Store]) -> None:
    found = trained(study, "beside-text")
    assert {task: one["steps"] for task, one in found["trained_on"].items()} == {"mnli": 6, "mlm": 6}


def test_the_target_s_own_language_is_flagged_in_every_score(study: tuple[Plan, Store]) -> None:
    plan, store = study
    row = next(row for row in plan.rows if row.arm == "xnli@de")
    assert stage.main(["--store", store.url, "--key", row.key]) == 0
    manifest = commit.read_manifest(store, row.key)
    assert manifest is not None
    line = {"model": row.model, "arm": row.arm, "seed": row.seed, "task": row.task}
    zero_shot = {score["language"]: score["zero_shot"] for score in scores_of(line, manifest)}
    assert zero_shot == {"de": False, "en": False}
    assert manifest["metrics"]["seen"] == ["de", "en"]


def test_the_export_is_a_submission_that_xtl_score_scores_the_same(study: tuple[Plan, Store], tmp_path: Path) -> None:
    """The reduce stage over what there is, one target; labels written in XTREME's layout by hand."""
    plan, store = study
    row = next(row for row in plan.rows if row.arm == "none")
    assert stage.main(["--store", store.url, "--key", row.key]) == 0
    stage.main(["--store", store.url, "--key", plan.reduce])
    manifest = commit.read_manifest(store, row.key)
    assert manifest is not None
    for language in ("de", "en"):
        labels = "".join(f"{label}\n" for _, _, label in smallworld.pairs(language))
        _put(tmp_path / f"labels/xnli/test-{language}.tsv", labels)
        name = f"grids/arms/submissions/tiny.none.seed1/xnli/test-{language}.tsv"
        _put(tmp_path / f"predictions/xnli/test-{language}.tsv", store.get(name)[0].decode())
    ended = CliRunner().invoke(app, ["score", str(tmp_path / "predictions"), str(tmp_path / "labels"), "-o", "json"])
    assert ended.exit_code == 0, ended.output
    scored = json.loads(ended.stdout)["tasks"]["xnli"]["languages"]
    assert scored == manifest["metrics"]["scores"]["last"]
