"""The grid's models: names and mappings, how each is trained, and what is wrong with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.grids import grid, inventory
from xtl.cli.plan import settings_in_force
from xtl.errors import GridError, UserError
from xtl.fit import cut_short
from xtl.grid_models import Lora
from xtl.inventory import Inventory, Model
from xtl.plan import build
from xtl.settings import resolve

GRID = """\
name: models
model: {models}
seeds: [1]
intermediates: [none, mnli]
targets: [xnli]
"""


def written(models: str, more: str = "") -> str:
    return GRID.replace("{models}", models) + more


def test_a_model_may_stand_there_twice_under_two_names(tmp_path: Path) -> None:
    found = grid(
        written("[a/b, {model: a/b, name: adapted, train: {method: lora, rank: 4, lr: 0.5}}]"), tmp_path
    ).models
    assert [(one.place, one.name, one.lora, dict(one.hyper)) for one in found] == [
        ("a/b", "a/b", None, {}),
        ("a/b", "adapted", Lora(rank=4), {"lr": 0.5}),
    ]


def test_what_the_grid_says_holds_where_a_model_says_nothing(tmp_path: Path) -> None:
    more = "attention: bidirectional\ntrain: {method: lora, rank: 4, targets: [q_proj]}\n"
    models = "[a/b, {model: a/c, attention: as-trained, train: {rank: 8}}, {model: a/d, train: {method: full}}]"
    found = grid(written(models, more), tmp_path).models
    assert [(one.attention, one.lora) for one in found] == [
        ("bidirectional", Lora(rank=4, targets=("q_proj",))),
        ("as-trained", Lora(rank=8, targets=("q_proj",))),
        ("bidirectional", None),
    ]


def test_a_models_own_settings_are_the_strongest_and_adapters_have_a_rate_of_their_own(tmp_path: Path) -> None:
    models = "[a/b, {model: a/c, train: {method: lora}}, {model: a/d, train: {method: lora, lr: 0.5, epochs: 9}}]"
    of = grid(written(models, "train: {target: {xnli: {epochs: 7}}}\n"), tmp_path)
    whole, adapted, own = (resolve(of, "target", "xnli", model=model) for model in of.models)
    assert [one.values["lr"] for one in (whole, adapted, own)] == [1e-5, 2e-4, 0.5]
    assert [one.values["epochs"] for one in (whole, adapted, own)] == [7, 7, 9]
    assert adapted.sources["lr"] == "Dettmers et al. 2023"
    assert own.sources["lr"] == "grid model a/d"


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("[{name: x}]", "2: a model without 'model': write {model: Qwen/Qwen3-4B-Base}"),
        ("[a/b, a/b]", "2: model: 'a/b' is given twice; {model: ..., name: ...} tells two apart"),
        (
            "[{model: a/b, train: {method: lora}}, {model: a/b, name: c, train: {method: lora, rank: 16}}]",
            "2: model: 'c' is the same as 'a/b', trained alike: leave one out",
        ),
        (
            "[{model: a/b, train: {rank: 4}}]",
            "2: rank: 4 is of adapters: write `method: lora` beside it, or leave it out",
        ),
        (
            "[{model: a/b, train: {method: qlora}}]",
            "2: model.train.method: 'qlora' is none of: full lora, did you mean 'lora'",
        ),
        ("[{model: a/b, train: {epochs: 1, steps: 2}}]", "2: both epochs and steps are given: keep one"),
        (
            "[{model: a/b, train: {method: lora, targets: all_linear}}]",
            "2: model.train.targets: 'all_linear' is neither all-linear nor a list of layers, such as [q_proj, v_proj]",
        ),
        ("[5]", "2: model: 5 is not a mapping; keys: model name attention train"),
    ],
)
def test_what_is_wrong_with_a_model_is_said(models: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(GridError) as caught:
        grid(written(models), tmp_path)
    assert [line.split(":", 1)[1] for line in str(caught.value).splitlines()] == [said]


def test_settings_of_adapters_that_nobody_has_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="7: rank: 32 is of adapters: write `method: lora` beside it, or leave it out"):
        grid(written("[a/b]", "train:\n  rank: 32\n"), tmp_path)
    grid(written("[{model: a/b, train: {method: lora}}]", "train:\n  rank: 32\n"), tmp_path)
    assert grid(written("[a/b]", "train: {method: lora, rank: }\n"), tmp_path).models[0].lora == Lora()


def test_where_a_model_is_read_is_in_the_keys_of_those_that_are_not_read_first(tmp_path: Path) -> None:
    of = grid(written("[a/b, a/c, a/d]"), tmp_path)
    plan = build(of, known(of, b="xlm-roberta", c="qwen3", d="mpnet"))
    specs = {row.model: plan.stages[row.key].spec for row in plan.rows if row.arm == "none"}
    assert [specs[name].get("reads") for name in ("a/b", "a/c", "a/d")] == [None, "last", "probed"]
    heads = {
        stage.where.get("model"): stage.spec.get("head") for stage in plan.stages.values() if "model" in stage.spec
    }
    assert heads == {"a/b": None, "a/c": True, "a/d": None}


def test_what_a_models_authors_published_is_its_own(tmp_path: Path) -> None:
    of = grid(written("[a/b, a/c]", "train: {preset: authors}\n"), tmp_path)
    have = known(of, b="xlm-roberta")
    mdeberta = {"model_type": "deberta-v2", "hidden_size": 768, "vocab_size": 251_000}
    models = {**have.models, "a/c": Model(name="a/c", identity={"hub": "c"}, config=mdeberta)}
    have = Inventory(units=have.units, models=models, source=have.source)
    plan = build(of, have)
    epochs = {row.model: plan.stages[row.key].spec["settings"]["epochs"] for row in plan.rows if row.task == "xnli"}
    assert epochs == {"a/b": 5, "a/c": 6}
    shown = {one["name"]: one["values"]["epochs"] for one in settings_in_force(of, have) if one["role"] == "target"}
    assert shown == {"xnli of a/c": 6, "xnli": 5}


def known(of: object, **kinds: str) -> Inventory:
    have = inventory(of)  # type: ignore[arg-type]
    models = {
        f"a/{name}": Model(name=name, identity={"hub": name}, config={"model_type": kind})
        for name, kind in kinds.items()
    }
    return Inventory(units=have.units, models=models, source=have.source)


def test_what_a_model_cannot_do_is_said_when_it_is_planned(tmp_path: Path) -> None:
    text = written("[a/b, a/c]", "attention: bidirectional\n").replace(
        "[none, mnli]", "[none, {name: m, tasks: [mlm@de]}]"
    )
    of = grid(text, tmp_path)
    with pytest.raises(UserError) as caught:
        build(of, known(of, b="bloom", c="qwen3"))
    assert str(caught.value).splitlines() == [
        "model a/b: attention: bidirectional is not for BLOOM, whose attention weighs what came before alone; leave it "
        "out",
        "model a/b: BLOOM is a decoder without a mask, so masked LM cannot train on it: leave out m, or give the "
        "decoder a grid of its own",
        "model a/c: Qwen 3 is a decoder without a mask, so masked LM cannot train on it: leave out m, or give the "
        "decoder a grid of its own",
    ]
    build(of, known(of, b="xlm-roberta", c="modernbert"))


def test_layers_that_a_models_files_have_not_are_told_when_it_is_planned(tmp_path: Path) -> None:
    of = grid(written("[{model: a/b, train: {method: lora, targets: [q_proj, query_proj]}}]"), tmp_path)
    have = known(of, b="qwen3")
    shapes = {
        "model.layers.0.self_attn.q_proj.weight": (8, 8),
        "model.embed_tokens.weight": (9, 8),
        "model.norm.weight": (8,),
    }
    model = Model(name="a/b", identity={"digest": "b"}, config={"model_type": "qwen3"}, weights=shapes)
    with pytest.raises(
        UserError, match=r"model a/b: train: targets: no layer of it is called 'query_proj'; it has q_proj$"
    ):
        build(of, Inventory(units=have.units, models={"a/b": model}, source=have.source))
    build(of, have)


def test_what_is_opened_must_be_known(tmp_path: Path) -> None:
    of = grid(written("[a/b]", "attention: bidirectional\n"), tmp_path)
    with pytest.raises(
        UserError, match="attention: bidirectional is not for gpt2, which is no architecture that xtl knows"
    ):
        build(of, known(of, b="gpt2"))


def test_models_are_fetched_before_anything_is_trained(tmp_path: Path) -> None:
    of = grid(written("[a/b, a/c]"), tmp_path)
    plan = build(of, known(of, b="xlm-roberta", c="qwen3"))
    kinds = [stage.kind for stage in plan.stages.values()]
    assert "fetch" not in kinds[kinds.index("intermediate") :]


def test_lengths_beyond_a_models_positions_are_told(tmp_path: Path) -> None:
    of = grid(
        written("[a/b, a/c, a/d]", "train: {target: {xnli: {length: 600}}, intermediate: {mnli: {length: 513}}}\n"),
        tmp_path,
    )
    have = known(of, b="xlm-roberta", c="qwen3", d="bert")
    sizes = {"a/b": {"max_position_embeddings": 514, "pad_token_id": 1}, "a/c": {"max_position_embeddings": 600}}
    models = {name: replace(one, config={**one.config, **sizes.get(name, {})}) for name, one in have.models.items()}
    assert list(cut_short(of, replace(have, models=models))) == [
        "a/b: has positions for 512 word pieces: a length of more is cut to that (513 of mnli, 600 of xnli)"
    ]
