"""The training loop's own promises: the cut of a step changes nothing, precision stays what it is, mixtures mix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from jobs import families, train
from jobs.batch import Batch, padded
from jobs.budget import Budget, kept
from jobs.device import Device, open_device
from jobs.families.base import PreTrainedModel
from jobs.tiny import make_encoder, train_tokenizer
from jobs.train import Part, Trainer, predict
from tests import smallworld
from xtl.errors import TrainingFailed, UserError
from xtl.store import open_store
from xtl.tasks import TASKS

SETTINGS: dict[str, Any] = dict(
    lr=1e-3, epochs=2, batch=8, length=32, warmup=0.1, weight_decay=0.01, adam_eps=1e-8, clip=1.0, micro_tokens=16384
)
PAIRS = [dict(id=str(n), text_a=a, text_b=b, label=c) for n, (a, b, c) in enumerate(smallworld.pairs("en"))]
TAGGED = [
    dict(id=str(n), tokens=s.split(), tags=["DET", "NOUN", "VERB", "ADV", "PUNCT"])
    for n, s in enumerate(smallworld.sentences("en"))
]
TOKENIZER = train_tokenizer(
    [s for language in ("en", "de") for s in smallworld.sentences(language)] * 2, vocab_size=200
)


@pytest.fixture
def device() -> Device:
    return open_device("fp32", 1)


def encoder(**config: Any) -> PreTrainedModel:
    made = make_encoder(TOKENIZER, seed=1)
    for name, value in config.items():
        setattr(made.config, name, value)
    for module in made.modules():
        if isinstance(module, torch.nn.Dropout) and config.get("hidden_dropout_prob") == 0.0:
            module.p = 0.0
    return made


def part(body: PreTrainedModel, task: str, examples: list[dict[str, Any]], **settings: Any) -> Part:
    values = {**SETTINGS, **settings}
    family = families.make(TASKS[task], TOKENIZER, values, labels=TASKS[task].labels)
    torch.manual_seed(5)
    head = family.head(body)
    for module in head.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return Part(name=task, family=family, head=head, features=family.features(examples, train=True), settings=values)


def trained(
    device: Device, *, micro_tokens: int, task: str, examples: list[dict[str, Any]]
) -> tuple[list[float], Trainer]:
    body = encoder(hidden_dropout_prob=0.0)
    trainer = Trainer(body, [part(body, task, examples, micro_tokens=micro_tokens)], seed=3, device=device, pad=1)
    losses: list[float] = []
    trainer.run(on_progress=lambda figures: losses.append(figures["loss"]))
    return losses, trainer


@pytest.mark.parametrize(("task", "examples"), [("mnli", PAIRS), ("udpos", TAGGED)])
def test_how_a_step_is_cut_changes_nothing_but_rounding(
    task: str, examples: list[dict[str, Any]], device: Device
) -> None:
    whole, one = trained(device, micro_tokens=10**6, task=task, examples=examples)
    cut, many = trained(device, micro_tokens=40, task=task, examples=examples)
    assert whole == pytest.approx(cut, abs=2e-3)
    for (name, a), (_, b) in zip(one.modules.named_parameters(), many.modules.named_parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-4), name
    assert len(set(whole)) > len(whole) // 2, "nothing was learned, so nothing was compared"


def test_the_cut_really_cuts(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    whole = train.encode

    def counting(encoder: Any, batch: Batch) -> Any:
        calls.append(len(batch.features) * max(map(len, batch.features)))
        return whole(encoder, batch)

    monkeypatch.setattr(train, "encode", counting)
    _, trainer = trained(device, micro_tokens=40, task="mnli", examples=PAIRS)
    assert len(calls) >= 2 * trainer.steps
    assert max(calls) <= 40


def test_bf16_keeps_weights_and_moments_in_float32(tmp_path: object) -> None:
    device = open_device("bf16", 1)
    body = encoder()
    trainer = Trainer(body, [part(body, "mnli", PAIRS)], seed=3, device=device, pad=1)
    with device.autocast():
        inputs, _ = padded(trainer.parts[0].features[:2], 1)
        assert body(**inputs).last_hidden_state.dtype in (torch.bfloat16, torch.float32)
        assert torch.nn.Linear(4, 4)(torch.ones(1, 4)).dtype == torch.bfloat16
    trainer.run()
    assert {p.dtype for p in trainer.modules.parameters()} == {torch.float32}
    moments = {v.dtype for state in trainer.optimizer.state.values() for v in state.values()}
    assert moments == {torch.float32}


def test_a_mixture_trains_every_task_and_shares_the_encoder(device: Device) -> None:
    body = encoder()
    parts = [part(body, "mnli", PAIRS), part(body, "udpos", TAGGED)]
    before = [{n: p.detach().clone() for n, p in one.head.named_parameters()} for one in parts]
    trainer = Trainer(body, parts, seed=3, device=device, pad=1)
    assert trainer.steps == 2 * (6 + 2)
    assert set(trainer.order) == {0, 1}
    trainer.run()
    for one, old in zip(parts, before, strict=True):
        assert any(not torch.equal(p, old[n]) for n, p in one.head.named_parameters())


def test_a_rate_of_zero_leaves_the_encoder_as_it_was(device: Device) -> None:
    body = encoder()
    before = {name: value.clone() for name, value in body.state_dict().items()}
    Trainer(body, [part(body, "mnli", PAIRS, lr=0.0)], seed=3, device=device, pad=1).run()
    assert all(torch.equal(value, before[name]) for name, value in body.state_dict().items())


def test_predictions_do_not_depend_on_the_budget_or_the_order(device: Device) -> None:
    _, trainer = trained(device, micro_tokens=10**6, task="mnli", examples=PAIRS)
    one = trainer.parts[0]
    features = one.family.features(PAIRS, train=False)
    wide, narrow = (
        predict(trainer.encoder, one.head, one.family, features, device=device, pad=1, budget=budget)
        for budget in (10**6, 30)
    )
    assert one.family.decode(PAIRS, features, wide) == one.family.decode(PAIRS, features, narrow)
    backwards = predict(trainer.encoder, one.head, one.family, features[::-1], device=device, pad=1, budget=100)
    for a, b in zip(wide, backwards[::-1], strict=True):
        assert a == pytest.approx(b, abs=1e-5)


def test_no_examples_is_the_users_mistake(device: Device) -> None:
    body = encoder()
    with pytest.raises(UserError, match="mnli: no training examples"):
        Trainer(body, [part(body, "mnli", [])], seed=3, device=device, pad=1)


def test_a_pod_that_asked_for_a_gpu_and_finds_none_is_tried_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    monkeypatch.setenv("XTL_GPU", "1")
    with pytest.raises(Exception, match="asked for a GPU") as caught:
        open_device("fp32", 1)
    assert caught.value.pod_status == 1  # type: ignore[attr-defined]


class Full:
    """A GPU's memory, played: `encode` runs out of it where a micro-batch holds more than `room` word pieces, or with
    gradient checkpointing more than `room` times `checkpointed`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int, checkpointed: int = 1) -> None:
        whole = train.encode

        def encode(body: Any, batch: Batch) -> Any:
            if batch.pieces > room * (checkpointed if body.is_activation_checkpointing else 1):
                raise torch.OutOfMemoryError("CUDA out of memory")
            return whole(body, batch)

        monkeypatch.setattr(train, "encode", encode)


def test_what_does_not_fit_is_halved_and_goes_on_and_is_remembered(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, one = trained(device, micro_tokens=10**6, task="mnli", examples=PAIRS)
    Full(monkeypatch, room=60)
    body, told = encoder(hidden_dropout_prob=0.0), []
    budget = Budget(setting=10**6, remember=told.append)
    trainer = Trainer(body, [part(body, "mnli", PAIRS)], seed=3, device=device, pad=1, budget=budget)
    losses: list[float] = []
    trainer.run(on_progress=lambda figures: losses.append(figures["loss"]))
    assert losses == pytest.approx(whole, abs=2e-3)
    for (name, a), (_, b) in zip(one.modules.named_parameters(), trainer.modules.named_parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-4), name
    assert 20 <= budget.pieces <= 60
    assert told[-1] == {"pieces": budget.pieces, "checkpointing": False, "bytes_a_piece": None}
    assert len(told) == 1, "what was learned once is not learned again, though the next step was made before"
    features = trainer.parts[0].family.features(PAIRS, train=False)
    found = predict(body, trainer.parts[0].head, trainer.parts[0].family, features, device=device, pad=1, budget=10**6)
    assert len(found) == len(PAIRS)


def test_where_one_input_does_not_fit_activations_are_computed_anew(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, one = trained(device, micro_tokens=10**6, task="mnli", examples=PAIRS)
    Full(monkeypatch, room=4, checkpointed=10)
    body = encoder(hidden_dropout_prob=0.0)
    trainer = Trainer(body, [part(body, "mnli", PAIRS)], seed=3, device=device, pad=1)
    trainer.run()
    assert trainer.budget.limits.checkpointing
    assert trainer.loss == pytest.approx(whole[-1], abs=2e-3)
    for (name, a), (_, b) in zip(one.modules.named_parameters(), trainer.modules.named_parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-4), name


def test_one_input_too_large_for_the_gpu_says_what_to_do(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    Full(monkeypatch, room=4)
    body = encoder()
    trainer = Trainer(body, [part(body, "mnli", PAIRS)], seed=3, device=device, pad=1)
    with pytest.raises(UserError, match=r"mnli: one input of \d+ word pieces does not fit .* lower `length`"):
        trainer.run()
    one = trainer.parts[0]
    features = one.family.features(PAIRS, train=False)
    with pytest.raises(UserError, match=r"one input of \d+ word pieces"):
        predict(body, one.head, one.family, features, device=device, pad=1, budget=100)


def test_a_loss_that_is_no_number_names_its_step(device: Device) -> None:
    body = encoder()
    with torch.no_grad():
        body.get_input_embeddings().weight[:] = torch.nan
    with pytest.raises(TrainingFailed, match=r"mnli: the loss is nan at step 1 of 12; a lower learning rate"):
        Trainer(body, [part(body, "mnli", PAIRS)], seed=3, device=device, pad=1).run()


def test_what_fits_is_kept_for_the_next_stage_on_such_a_gpu(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    first = kept(store, {"gpu": "small", "length": 128}, 4096)
    assert first.pieces == 4096
    first.shrink(encoder(), 3000, 100, "mnli")
    assert first.pieces == 1500
    assert kept(store, {"gpu": "small", "length": 128}, 4096).pieces == 1500
    assert kept(store, {"gpu": "small", "length": 128}, 1000).pieces == 1000, "never more than the setting"
    assert kept(store, {"gpu": "large", "length": 128}, 4096).pieces == 4096
    for entry in store.list("budgets/"):
        store.put(entry.name, b"{")
    assert kept(store, {"gpu": "small", "length": 128}, 4096).pieces == 4096
