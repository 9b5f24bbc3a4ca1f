"""What a fetch stage says of a model or of data that it cannot take: exit status 42, and a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from jobs import stage
from tests import smallworld
from tests.grids import grid
from tests.run.study import RETRIEVAL
from tests.tiny import tiny_encoder, tiny_tokenizer
from xtl.errors import UserError
from xtl.inventory import look
from xtl.local import prepare
from xtl.plan import Plan, build
from xtl.store import open_store
from xtl.store.base import Store


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as `save_pretrained` leaves it."""
    folder = tmp_path_factory.mktemp("model") / "m"
    tokenizer = tiny_tokenizer(smallworld.sentences("en"))
    tiny_encoder(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def planned(folder: Path, model: str) -> tuple[Plan, Store]:
    """A study, put into a store."""
    smallworld.write(folder / "data")
    found = grid(RETRIEVAL.replace("model: tiny", f"model: {model}"), folder)
    plan, store = build(found, look(found)), open_store(str(folder / "store"))
    prepare(plan, store)
    return plan, store


def run(plan: Plan, store: Store, title: str) -> int:
    key = next(one.key for one in plan.stages.values() if one.title.startswith(title))
    return stage.main(["--store", store.url, "--key", key])


def no_weights(model: Path) -> None:
    (model / "model.safetensors").unlink()


def pickled_weights(model: Path) -> None:
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04 whoever unpickles this fails otherwise than is expected here")
    no_weights(model)


def a_weight_less(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    del weights["encoder.layer.1.attention.self.query.weight"]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def a_weight_more(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    weights["encoder.layer.9.extra"] = torch.zeros(2)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def half_of_the_weights(model: Path) -> None:
    data = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(data[: len(data) // 2])


def no_tokenizer(model: Path) -> None:
    for path in model.glob("tokenizer*"):
        path.unlink()


def pieces_without_vectors(model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["one", "more"])
    tokenizer.save_pretrained(model)


def quantised(model: Path) -> None:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")


def no_such_architecture(model: Path) -> None:
    (model / "config.json").write_text(json.dumps({"model_type": "none-such"}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (a_weight_less, "m: 1 encoder weights missing: encoder.layer.1.attention.self.query.weight"),
        (a_weight_more, "m: 1 encoder weights unexpected: encoder.layer.9.extra"),
        (pieces_without_vectors, "{model}: the tokenizer has "),
        (no_such_architecture, "m: not a model that transformers loads: its model_type is none that transformers "),
    ],
)
def test_a_model_folder_that_is_not_as_transformers_wants_it(
    damage: Callable[[Path], None], said: str, whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "m"
    model.mkdir()
    for path in whole.iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    damage(model)
    plan, store = planned(tmp_path, "./m")
    assert run(plan, store, "fetch model") == 42
    told = capfd.readouterr().err
    assert f" ERROR {said.format(model=model)}" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_weights, "{model}: no weights in it, no .safetensors file: copy the whole folder"),
        (
            pickled_weights,
            "{model}: no .safetensors file (pytorch_model.bin). xtl never unpickles: convert the weights",
        ),
        (half_of_the_weights, "{model}/model.safetensors is not whole, "),
        (no_tokenizer, "{model}: no tokenizer in it, none of tokenizer.json, "),
        (quantised, "./m: its weights are quantised"),
    ],
)
def test_a_model_folder_that_is_not_whole_is_refused_when_it_is_planned(
    damage: Callable[[Path], None], said: str, whole: Path, tmp_path: Path
) -> None:
    model = tmp_path / "m"
    shutil.copytree(whole, model)
    planned(tmp_path, "./m")
    damage(model)
    with pytest.raises(UserError) as caught:
        planned(tmp_path, "./m")
    assert said.format(model=model) in str(caught.value)


def test_a_model_that_changes_after_the_plan(whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m"
    model.mkdir()
    for path in whole.iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    plan, store = planned(tmp_path, "./m")
    (model / "config.json").write_text((model / "config.json").read_text() + " ")
    assert run(plan, store, "fetch model") == 42
    assert f"the files of {model} changed since this stage was planned; run the grid again" in capfd.readouterr().err


def test_data_that_change_or_vanish_after_the_plan(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plan, store = planned(tmp_path, "tiny")
    path = tmp_path / "data/tatoeba/v1/tatoeba.deu-eng.deu"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("Hund", "Hand"), encoding="utf-8")
    assert run(plan, store, "fetch tatoeba") == 42
    assert f"in {tmp_path}/data changed since this stage was planned" in capfd.readouterr().err
    path.unlink()
    assert run(plan, store, "fetch tatoeba") == 42
    assert "changed since this stage was planned" in capfd.readouterr().err
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert run(plan, store, "fetch tatoeba") == 42
    assert f"data: {tmp_path}/data is not a folder" in capfd.readouterr().err
    (tmp_path / "elsewhere").rename(tmp_path / "data")
    path.write_text(text, encoding="utf-8")
    assert run(plan, store, "fetch tatoeba") == 0
