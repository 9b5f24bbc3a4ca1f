"""Decoders and adapters through the stages of a study: what each leaves behind, and what the next begins with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from jobs import finetune, stop
from jobs.context import Context
from jobs.device import open_device
from tests import architectures, smallworld
from tests.jobs.whole import done
from xtl.plan import Plan
from xtl.store import commit
from xtl.store.base import Store

GRID = """\
name: models
model:
  - {model: ./decoder, name: whole}
  - {model: ./decoder, name: opened, attention: bidirectional}
  - {model: ./decoder, name: going-on, train: {method: lora, rank: 4, alpha: 8}}
  - {model: ./decoder, name: merging, train: {method: lora, rank: 4, alpha: 8, carry: merge}}
  - {model: ./encoder, attention: bidirectional}
seeds: [1]
intermediates: [none, mnli]
targets: [xnli, tatoeba]
checkpoints: [english-dev]
train:
  intermediate: {default: {lr: 1e-2, epochs: 2, batch: 4, length: 64}}
  target: {default: {lr: 1e-2, epochs: 1, batch: 8, length: 64}}
precision: fp32
data: ./data
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Store]]:
    """All of it done."""
    folder = tmp_path_factory.mktemp("models")
    smallworld.write(folder / "data")
    texts = tuple(smallworld.sentences("en") + smallworld.sentences("de"))
    for kind, name in (("qwen3", "decoder"), ("modernbert", "encoder")):
        tokenizer = architectures.tokenizer_for(kind, texts)
        architectures.make(kind, len(tokenizer)).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    yield done(GRID, folder)
    stop._asked.clear()


def manifest(study: tuple[Plan, Store], title: str) -> dict[str, Any]:
    plan, store = study
    found = commit.read_manifest(store, next(key for key, one in plan.stages.items() if one.title == title))
    assert found is not None
    return found


def test_what_adapters_leave_is_adapters(study: tuple[Plan, Store]) -> None:
    found = manifest(study, "intermediate mnli seed 1 of going-on")
    assert set(found["files"]) == {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"}
    whole = manifest(study, "intermediate mnli seed 1 of whole")["files"]["encoder/model.safetensors"]
    assert found["files"]["adapter/adapter_model.safetensors"]["size"] < whole["size"] / 2
    _, store = study
    base = commit.read_manifest(store, found["spec"]["parents"]["model"])
    assert base is not None
    assert found["metrics"]["base"] == base["spec"]["model"], "which weights they are for"


def test_both_ways_to_carry_on_begin_with_the_same_model(study: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, store = study
    texts = {"input_ids": torch.tensor([[5, 9, 21, 30, 7]]), "attention_mask": torch.ones(1, 5, dtype=torch.int64)}
    hidden = {}
    for name in ("going-on", "merging"):
        key = next(key for key, one in plan.stages.items() if one.title == f"target xnli after mnli seed 1 of {name}")
        spec = plan.stages[key].spec
        assert spec["lora"]["carry"] == {"going-on": "continue", "merging": "merge"}[name]
        context = Context(  # type: ignore[arg-type]
            key=key, attempt="looking", spec=spec, where={}, store=store, out=tmp_path, work=tmp_path / name,
            heartbeat=SimpleNamespace(say=lambda state, **figures: None),
        )  # fmt: skip
        encoder = finetune.load(context, spec["parents"]["encoder"], open_device("fp32", 1)).model.eval()
        encoder.set_attn_implementation("eager")
        trained = [value for value in encoder.parameters() if value.requires_grad]
        assert trained
        moved = any(bool(value.any()) for n, value in encoder.named_parameters() if "lora_B" in n)
        assert moved == (name == "going-on"), "new adapters change nothing yet"
        with torch.inference_mode():
            hidden[name] = encoder(**texts).last_hidden_state
    scale = float(hidden["merging"].abs().max())
    assert torch.allclose(hidden["going-on"], hidden["merging"], atol=1e-5 * scale)


@pytest.mark.parametrize("name", ["whole", "opened", "going-on", "merging", "./encoder"])
def test_every_model_is_scored(name: str, study: tuple[Plan, Store]) -> None:
    plan, store = study
    for row in (row for row in plan.rows if (row.model, row.task) == (name, "xnli")):
        found = commit.read_manifest(store, row.key)
        assert found is not None
        assert set(found["metrics"]["scores"]) == {"last", "english-dev"}
        assert found["metrics"]["steps"] > 0


def test_retrieval_sweeps_over_means_and_over_last_pieces(study: tuple[Plan, Store]) -> None:
    before = manifest(study, "target tatoeba after none of whole")["metrics"]
    for name in ("whole", "going-on"):
        after = manifest(study, f"target tatoeba after mnli seed 1 of {name}")["metrics"]
        assert before["sweep"].keys() == before["sweep_last"].keys() == after["sweep_last"].keys()
        scores = after["sweep_last"]["de"]
        assert after["chosen_last"]["scores"]["de"]["accuracy"] == max(scores) == scores[after["chosen_last"]["layer"]]


def test_models_that_begin_alike_share_what_is_not_trained(study: tuple[Plan, Store]) -> None:
    plan, _ = study
    titles = [one.title for one in plan.stages.values()]
    assert titles.count("fetch model whole") == 1
    assert not [title for title in titles if title.startswith("fetch model") and "going-on" in title]
    assert not [title for title in titles if "intermediate" in title and "merging" in title], (
        "how it is carried on is later"
    )
    rows = {row.model: row.key for row in plan.rows if (row.arm, row.task) == ("none", "tatoeba")}
    assert rows["whole"] == rows["going-on"] == rows["merging"] != rows["opened"]
    assert "attention" not in plan.stages[rows["./encoder"]].spec, "an encoder sees all as it is"


def test_an_answer_is_drawn_for_each_model(study: tuple[Plan, Store]) -> None:
    _, store = study
    table = store.get("grids/models/scores.md")[0].decode()
    report = json.loads(store.get("grids/models/report.json")[0])
    (caution,) = (line for line in report["answer"]["cautions"] if line.startswith("The models were not all"))
    for name in ("whole", "opened", "going-on", "merging", "./encoder"):
        assert name in table
        assert f"{name}: " in caution
    assert "opened: attention bidirectional, trained all weights;" in caution
    assert "going-on: attention as trained, trained adapters of rank 4, alpha 8, all-linear, carry continue;" in caution
