"""The arm `prompted` through the stages of a study: a decoder is asked, and its figures stand beside trained ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from jobs import stage, stop
from jobs.asking import Asker
from tests import architectures, smallworld
from tests.grids import grid
from tests.jobs.whole import done
from xtl import fit
from xtl.inventory import look
from xtl.local import prepare
from xtl.plan import Plan, build
from xtl.store import commit, layout, open_store, resume
from xtl.store.base import Store

GRID = """\
name: asked
model: ./decoder
seeds: [1]
intermediates: [none, prompted]
targets: [xnli, tydiqa, tatoeba]
prompted: {shots: 2, language: own, length: 96, answer_pieces: 4}
train:
  target: {default: {lr: 1e-2, steps: 2, batch: 4, length: 96}}
precision: fp32
data: ./data
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Store]]:
    """All of it done."""
    folder = tmp_path_factory.mktemp("asked")
    smallworld.write(folder / "data")
    texts = tuple(smallworld.sentences("en") + smallworld.sentences("de"))
    tokenizer = architectures.tokenizer_for("qwen3", texts)
    torch.manual_seed(0)
    config = architectures.make("qwen3", len(tokenizer)).config
    assert not config.tie_word_embeddings, "its head is apart"
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / "decoder")
    tokenizer.chat_template = "{% for one in messages %}<|user|>{{ one.content }}{% endfor %}"
    tokenizer.save_pretrained(folder / "decoder")
    yield done(GRID, folder)
    stop._asked.clear()


def manifest(study: tuple[Plan, Store], task: str) -> dict[str, Any]:
    plan, store = study
    found = commit.read_manifest(store, next(x.key for x in plan.rows if (x.arm, x.task) == ("prompted", task)))
    assert found is not None
    return found


def test_a_label_of_each_pair_is_scored_in_every_language(study: tuple[Plan, Store]) -> None:
    found = manifest(study, "xnli")
    assert set(found["metrics"]["scores"]["last"]) == {"en", "de"}
    key = found["key"]
    lines = study[1].get(f"stages/{key}/attempts/{found['attempt']}/predictions/xnli/test-de.tsv")[0].decode().split()
    assert len(lines) == 48 == found["metrics"]["n"]["de"]
    assert set(lines) <= {"entailment", "neutral", "contradiction"}


def test_the_manifest_says_which_examples_stood_in_front_and_how_many_at_the_least(study: tuple[Plan, Store]) -> None:
    shots = manifest(study, "xnli")["metrics"]["shots"]
    assert (shots["en"]["language"], shots["de"]["language"]) == ("en", "de")
    assert all(len(set(one["examples"])) == 2 for one in shots.values())
    assert all(0 <= one["fewest"] < 2 for one in shots.values()), "an input of 96 pieces holds no two examples"
    tydiqa = manifest(study, "tydiqa")["metrics"]["shots"]
    assert tydiqa["en"]["language"] == "en"


def test_the_report_says_that_it_was_asked_and_not_trained(study: tuple[Plan, Store]) -> None:
    report = json.loads(study[1].get("grids/asked/report.json")[0])
    (caution,) = (line for line in report["answer"]["cautions"] if line.startswith("`prompted`"))
    assert "a model asked in words and not trained, on xnli, tydiqa alone" in caution
    assert "2 examples, in the question's language, at the least " in caution
    assert caution.endswith("The chat template of ./decoder was not applied.")
    table = study[1].get("grids/asked/scores.md")[0].decode()
    head, line = (next(x for x in table.splitlines() if x.startswith(f"| {name}")) for name in ("inter", "prompted"))
    cells = dict(zip(head.split("|"), line.split("|"), strict=True))
    assert [cells[x].strip() for x in cells if x.strip() in ("tatoeba", "average")] == ["-", "-"]


def test_weights_without_a_head_are_refused_when_they_are_fetched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a hub, whose files nobody looks into before; and before a GPU is held. Without the arm, they are as good as
    any."""
    smallworld.write(tmp_path / "data")
    tokenizer = architectures.tokenizer_for("qwen3", tuple(smallworld.sentences("en")))
    architectures.make("qwen3", len(tokenizer)).save_pretrained(tmp_path / "decoder")
    tokenizer.save_pretrained(tmp_path / "decoder")
    monkeypatch.setattr(fit, "_headless", lambda held: False)
    for text, status in ((GRID, 42), (GRID.replace(", prompted", "").replace("prompted: ", "# "), 0)):
        found = grid(text, tmp_path)
        plan = build(found, look(found))
        store = open_store(str(tmp_path / f"store-{status}"))
        prepare(plan, store)
        (key,) = [one.key for one in plan.stages.values() if one.spec.get("what") == "model"]
        assert stage.main(["--store", store.url, "--key", key]) == status
    assert "decoder: its weights have no language-model head" in caplog.text
    stop._asked.clear()


def test_told_to_stop_it_keeps_what_is_answered_and_asks_no_language_twice(
    study: tuple[Plan, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rerun leaves the same predictions, and the same manifest but for times and what was counted."""
    _, first = study
    whole = manifest(study, "xnli")
    folder = tmp_path / "store"
    shutil.copytree(first.url, folder)
    store = open_store(str(folder))
    store.delete(layout.manifest_name(whole["key"]))
    asked: list[int] = []
    ask = Asker.answers

    def answers(self: Asker, examples: Any, shots: Any) -> Any:
        if asked:
            stop.ask()
        asked.append(len(examples))
        return ask(self, examples, shots)

    monkeypatch.setattr(Asker, "answers", answers)
    assert stage.main(["--store", store.url, "--key", whole["key"]]) == 143
    stop._asked.clear()
    assert resume.latest(store, whole["key"], tmp_path / "state")
    monkeypatch.setattr(Asker, "answers", ask)
    assert stage.main(["--store", store.url, "--key", whole["key"]]) == 0
    again = commit.read_manifest(store, whole["key"])
    assert again is not None
    assert again["metrics"] == whole["metrics"]
    assert {x: f["sha256"] for x, f in again["files"].items()} == {x: f["sha256"] for x, f in whole["files"].items()}
    assert resume.latest(store, whole["key"], tmp_path / "state") is None
    stop._asked.clear()
