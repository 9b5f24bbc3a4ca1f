"""What models' authors published: under the grid's names, of targets, and in force under `preset: authors` alone."""

from __future__ import annotations

from pathlib import Path

from tests.readme import ROOT
from tests.unit.test_grid_settings import with_train
from xtl.authors import AUTHORS, published
from xtl.grid_schema import Hyper
from xtl.settings import resolve
from xtl.tasks import TASKS

MDEBERTA = {"model_type": "deberta-v2", "hidden_size": 768, "vocab_size": 251_000}


def test_the_documentation_has_them() -> None:
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    section = text.partition("## Settings that models' authors published")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    assert rows[2:] == [
        [
            one.model,
            " ".join(one.tasks),
            ", ".join(
                f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in one.settings.items()
            ),
            one.source,
        ]
        for of in AUTHORS.values()
        for one in of
    ]


def test_they_are_of_targets_and_under_the_grids_names() -> None:
    for one in (one for of in AUTHORS.values() for one in of):
        assert all(TASKS[task].target for task in one.tasks)
        assert Hyper.model_validate(dict(one.settings)).model_dump(exclude_none=True) == dict(one.settings)


def test_a_model_is_known_by_its_sizes() -> None:
    """An English model of an architecture is not the multilingual one."""
    assert published(MDEBERTA, "xnli") is not None
    assert published({**MDEBERTA, "vocab_size": 128_100}, "xnli") is None
    assert published({"model_type": "bert", "hidden_size": 768, "vocab_size": 30_522}, "xnli") is None
    assert published({"model_type": "gpt2", "layer_types": ["a"]}, "xnli") is None
    assert published({}, "xnli") is None


def test_authors_settings_are_the_models_own_where_it_has_some(tmp_path: Path) -> None:
    of = with_train(tmp_path, "{preset: authors, target: {pawsx: {epochs: 4}}}")
    own = resolve(of, "target", "xnli", config=MDEBERTA)
    names = ("lr", "epochs", "batch", "warmup", "length", "weight_decay")
    assert [own.values[name] for name in names] == [2e-5, 6, 32, 3000.0, 256, 0.0]
    assert own.sources["epochs"] == "mDeBERTa-v3-base's model card"
    assert own.sources["weight_decay"] == "XTREME, scripts/train_xnli.sh for XLM-R large"
    assert resolve(of, "target", "panx", config=MDEBERTA) == resolve(of, "target", "panx"), "none published for it"
    assert resolve(of, "intermediate", "xnli", config=MDEBERTA).values["lr"] == 1e-5


def test_authors_settings_are_by_size_and_a_grid_is_stronger(tmp_path: Path) -> None:
    of = with_train(tmp_path, "{preset: authors, target: {pawsx: {epochs: 4}}}")
    small, large, other = ({"model_type": "eurobert", "hidden_size": size} for size in (768, 2304, 100))
    rates = [resolve(of, "target", "xnli", config=one).values["lr"] for one in (small, large, other)]
    assert rates == [3.6e-5, 2.8e-5, 3e-5]
    assert "epochs" not in (values := resolve(of, "target", "xnli", config=small).values)
    assert values["steps"] == 10_000
    assert "steps" not in (values := resolve(of, "target", "pawsx", config=small).values)
    assert values["epochs"] == 4
