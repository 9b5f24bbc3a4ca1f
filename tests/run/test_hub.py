"""A whole study whose model and data come from a hub, played offline by a folder of repositories."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.hub import NLI, repository
from tests.run.study import TRAINED, Study, keys
from tests.smallworld import pairs, sentences
from tests.tiny import tiny_encoder, tiny_tokenizer
from xtl.store import commit, open_store
from xtl.tasks import tatoeba, xnli

MODEL = "tests/small-xlm-r"
#: TRAINED, on the model of the hub and on the languages that the small world's folder has.
GRID = TRAINED.replace("model: tiny", f"model: {MODEL}").replace(
    "[xnli, tatoeba]", "[{task: xnli, languages: [en, de]}, {task: tatoeba, languages: [de]}]"
)


def hub(root: Path) -> None:
    """The small world's MNLI, XNLI and Tatoeba; a language that it lacks has German's rows."""

    def rows(language: str) -> list[dict[str, object]]:
        return [
            {"premise": a, "hypothesis": b, "label": NLI.index(label), "pairID": f"p{n}"}
            for n, (a, b, label) in enumerate(pairs("en" if language == "en" else "de"))
        ]

    english = {("default", "train"): rows("en"), ("default", "validation_matched"): rows("en")[::4]}
    repository(root, "nyu-mll/multi_nli", english, {"label": NLI})
    repository(root, "nyu-mll/glue", {("mnli", "test_matched"): rows("en")[:2]}, {"label": NLI})
    every = {(language, "test"): rows(language) for language in xnli.LANGUAGES}
    every |= {(language, "validation"): rows(language)[::3] for language in xnli.LANGUAGES}
    repository(root, "facebook/xnli", every, {"label": NLI})
    translated = [
        {"source_sentence": de, "target_sentence": en} for de, en in zip(sentences("de"), sentences("en"), strict=True)
    ]
    configs = {(f"tatoeba.{code}", "validation"): translated for code in tatoeba.CODES.values()}
    repository(root, "google/xtreme", configs)
    tokenizer = tiny_tokenizer([text for language in ("en", "de") for a, b, _ in pairs(language) for text in (a, b)])
    tokenizer.save_pretrained(root / MODEL)
    tiny_encoder(tokenizer).save_pretrained(root / MODEL)


@pytest.mark.slow
def test_a_study_from_the_hub_equals_the_same_from_a_folder(tmp_path: Path) -> None:
    hub(tmp_path / "hub")
    study = Study(
        tmp_path,
        GRID.replace("./data", "hub"),
        XTL_HUB_ROOT=str(tmp_path / "hub"),
        HF_HOME=str(tmp_path / "huggingface"),
        HF_HUB_OFFLINE="1",
    )
    first = study.run("--parallel", "2")
    assert first.status == 0, first
    again = study.run()
    assert "Nothing to do: all 8 stages are done." in again.out

    store = open_store(str(tmp_path / "store"))
    manifest = commit.read_manifest(store, keys(store, "trained")["fetch xnli"])
    assert manifest is not None
    assert set(manifest["spec"]["origin"]["hub"]) == {"facebook/xnli"}
    folder = study.run("--data", "data", "--store", "here")
    assert folder.status == 0, folder
    assert without_keys(tmp_path / "here") == without_keys(tmp_path / "store")


def without_keys(store: Path) -> list[dict[str, str]]:
    """The scores, less the stages' keys: the same rows from another place are other stages."""
    with (store / "grids/trained/scores.csv").open(encoding="utf-8") as file:
        return [{name: cell for name, cell in row.items() if name != "stage"} for row in csv.DictReader(file)]
