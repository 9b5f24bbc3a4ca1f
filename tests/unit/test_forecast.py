"""Lengths of real files, and a tokenizer where there is one: in the model's folder or in the store."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import smallworld
from tests.grids import bare_model, grid
from tests.tiny import tiny_tokenizer
from xtl.forecast import forecast
from xtl.inventory import look
from xtl.plan import build
from xtl.store import commit, layout, open_store
from xtl.store.base import Store
from xtl.work import CHARACTERS, Work

GRID = """\
name: small
model: {model}
seeds: [1]
intermediates: [none]
targets: [{{task: xnli, languages: [en, de]}}]
train: {{target: {{default: {{epochs: 1, length: 64}}}}}}
precision: fp32
data: ./data
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    smallworld.write(tmp_path / "data")
    return tmp_path


def model(folder: Path) -> Path:
    """A model's folder as far as planning looks at it."""
    tokenizer = tiny_tokenizer(text for language in ("en", "de") for text in smallworld.sentences(language))
    bare_model(folder / "model", {"num_hidden_layers": 2, "hidden_size": 96})
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def real(folder: Path) -> Work:
    """What the sentences are in pieces, one by one."""
    tokenizer = tiny_tokenizer(text for language in ("en", "de") for text in smallworld.sentences(language))
    by_language = {x: sum(len(tokenizer(a, b)["input_ids"]) for a, b, _ in smallworld.pairs(x)) for x in ("en", "de")}
    return Work(training=by_language["en"], evaluating=sum(by_language.values()))


def target(folder: Path, name: str, store: Store | None = None) -> Work:
    of = grid(GRID.format(model=name), folder)
    have = look(of)
    plan = build(of, have)
    found = forecast(plan, have, store)
    return next(found.works[key] for key, stage in plan.stages.items() if stage.kind == "target")


def test_a_tokenizer_in_the_models_folder_is_used(folder: Path) -> None:
    found = target(folder, str(model(folder)))
    assert found.training == pytest.approx(real(folder).training, rel=0.05)
    assert found.evaluating == pytest.approx(real(folder).evaluating, rel=0.05)


def test_without_one_english_is_cut_as_most_is(folder: Path) -> None:
    found = target(folder, "tiny")
    characters = [len(a) + len(b) for a, b, _ in smallworld.pairs("en")]
    assert found.training == pytest.approx(sum(count / CHARACTERS + 4 for count in characters))


def test_the_store_s_is_used_once_the_model_is_fetched(folder: Path) -> None:
    store = open_store(str(folder / "store"))
    of = grid(GRID.format(model="tiny"), folder)
    plan = build(of, look(of))
    key = next(key for key, stage in plan.stages.items() if stage.title == "fetch model tiny")
    assumed = target(folder, "tiny", store)
    out = folder / "out/encoder"
    out.mkdir(parents=True)
    (out / "tokenizer.json").write_bytes((model(folder) / "tokenizer.json").read_bytes())
    commit.commit(store, key, "a", folder / "out", {"kind": "fetch", "seconds": {"total": 1.0}})
    found = target(folder, "tiny", store)
    assert found.training == pytest.approx(real(folder).training, rel=0.05)
    assert found != assumed
    store.delete(layout.manifest_name(key))
    assert target(folder, "tiny", store) == assumed


def test_a_broken_tokenizer_or_none_of_its_library_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = model(folder)
    (place / "tokenizer.json").write_text("no JSON")
    assert target(folder, str(place)) == target(folder, "tiny")
    good = str(model(folder))
    measured = target(folder, good)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert target(folder, good) == target(folder, "tiny") != measured


def test_a_row_that_cannot_be_read_is_the_fetchs_to_say(folder: Path) -> None:
    rows = folder / "data/glue/MNLI/train.tsv"
    rows.write_text(rows.read_text(encoding="utf-8") + "1\t2\n", encoding="utf-8")
    assert target(folder, "tiny").training > 0
