"""Loading a grid: what a good one gives, and that no file whatever gives anything but a grid or its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.grid import GOOD, MINIMAL, problems, write
from xtl.errors import GridError
from xtl.grid import Arm, Contrast, Grid, Part, Target, load


def test_a_grid_in_the_terms_of_the_field(tmp_path: Path) -> None:
    grid = load(write(tmp_path, GOOD))
    assert [(m.place, m.name, m.special) for m in grid.models] == [("FacebookAI/xlm-roberta-large",) * 2 + ({},)]
    assert [arm.label for arm in grid.arms] == ["none", "mnli", "xnli-de", "tydiqa-ko-1625", "multi", "mnli-mlm"]
    assert grid.arms[3] == Arm(spelling="tydiqa@ko:1625", parts=(Part(task="tydiqa", languages=("ko",), cap=1625),))
    assert [part.task for part in grid.arms[4].parts] == ["mnli", "squad_v2", "hellaswag"]
    assert grid.arms[4].mix_cap == 131072
    assert len(grid.arms[5].parts[1].languages) == 40
    assert len(grid.targets) == 9
    assert grid.targets[1] == Target(task="pawsx", languages=("de", "en", "es", "fr", "ja", "ko", "zh"))
    assert {target.task for target in grid.targets if not target.train_languages} == {"bucc2018", "tatoeba"}
    assert grid.contrasts == (Contrast(name="german", arm="xnli@de", against="mnli"),)
    assert grid.checkpoints == ("last", "target-dev")
    assert grid.store == "s3://bucket/prefix"
    assert grid.cluster["gpu"] == {"resource": "nvidia.com/gpu"}
    assert grid.text == GOOD


def test_what_a_grid_need_not_say(tmp_path: Path) -> None:
    grid = load(write(tmp_path, MINIMAL))
    assert (grid.precision, grid.checkpoints, grid.setting, grid.data, grid.store, grid.threads) == (
        "bf16",
        ("last",),
        "zero-shot",
        "hub",
        None,
        1,
    )


def test_an_optional_key_without_a_value_is_as_good_as_none(tmp_path: Path) -> None:
    assert load(write(tmp_path, MINIMAL + "contrasts:\ntrain:\nstore:\ncluster:\n")).contrasts == ()


def test_folders_are_relative_to_the_grid_file(tmp_path: Path) -> None:
    (tmp_path / "grids").mkdir()
    path = tmp_path / "grids" / "g.yaml"
    path.write_text(MINIMAL.replace("tiny", "[./my-model, tiny, a/b]") + "data: ../data\nstore: /runs\n")
    grid = load(path)
    assert [model.place for model in grid.models] == [str(tmp_path / "grids" / "my-model"), "tiny", "a/b"]
    assert (grid.data, grid.store) == (str(tmp_path / "data"), "/runs")


def test_languages_stand_in_the_task_s_order(tmp_path: Path) -> None:
    text = MINIMAL.replace("[none]", "[xnli@ru+de]").replace("[xnli]", "[{task: panx, languages: [sw, en]}]")
    grid = load(write(tmp_path, text))
    assert grid.arms[0].parts == (Part(task="xnli", languages=("de", "ru")),)
    assert grid.targets == (Target(task="panx", languages=("en", "sw")),)


def test_translate_train_must_be_said(tmp_path: Path) -> None:
    text = MINIMAL.replace("[xnli]", "[{task: xnli, train: [de, en]}]")
    assert problems(write(tmp_path, text)) == [
        "5: xnli trained on de+en is not zero-shot: train it on English, or write `setting: translate-train`, "
        "which every table will then say"
    ]
    assert load(write(tmp_path, text + "setting: translate-train\n")).targets[0].train_languages == ("de", "en")


@pytest.mark.parametrize(
    ("spelt", "read"), [("1e-5", 1e-5), ("1E-05", 1e-5), ("0", 0.0), ("1", 1.0), (".5", 0.5), ("3e-5", 3e-5)]
)
def test_numbers_as_papers_write_them(tmp_path: Path, spelt: str, read: float) -> None:
    assert (
        load(write(tmp_path, MINIMAL + f"train: {{target: {{xnli: {{lr: {spelt}}}}}}}\n")).train.target["xnli"]["lr"]
        == read
    )


WORDS = st.sampled_from(
    """name model seeds intermediates targets contrasts train precision checkpoints data store cluster target gpu hub
    default mnli xnli@de xnli none all tiny jiant task tasks languages lr epochs patch mix cap arm against""".split()  # noqa: SIM905
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(WORDS, VALUES, max_size=8))
def test_any_mapping_gives_a_grid_or_its_mistakes(tmp_path: Path, data: dict[str, object]) -> None:
    good = yaml.safe_load(GOOD)
    _grid_or_mistakes(tmp_path, yaml.safe_dump({**good, **data}, allow_unicode=True).encode())


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(GOOD)), junk=st.text(max_size=20) | st.binary(max_size=20))
def test_any_text_gives_a_grid_or_its_mistakes(tmp_path: Path, cut: int, junk: str | bytes) -> None:
    noise = junk.encode("utf-8", "surrogatepass") if isinstance(junk, str) else junk
    _grid_or_mistakes(tmp_path, GOOD[:cut].encode() + noise + GOOD[cut:].encode())


def _grid_or_mistakes(folder: Path, text: bytes) -> None:
    path = folder / "any.yaml"
    path.write_bytes(text)
    try:
        found: Grid | list[str] = load(path)
    except GridError as error:
        found = error.problems
    assert isinstance(found, Grid) or (found and all(problem.isprintable() for problem in found))
