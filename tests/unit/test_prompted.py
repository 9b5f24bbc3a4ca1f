"""Decoders that are asked: what stands in a prompt, which answer is the likeliest, what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GraniteConfig, GraniteModel

from jobs import packed
from jobs.asking import Asker, _plain, head_of
from jobs.batch import Batch, encode, inputs_of
from jobs.families.base import Feature
from jobs.finetune import Encoder
from tests.architectures import make, tokenizer_for
from tests.grids import grid, inventory
from tests.tiny import cpu
from tests.unit.test_packed import WORDS, examples
from xtl.errors import ModelError, UserError
from xtl.inventory import Inventory, Model
from xtl.plan import build
from xtl.prompts import prompts
from xtl.tasks import TASKS

TEXTS = tuple([" ".join(WORDS)] * 3)


def asker(kind: str = "qwen3", task: str = "xnli", *, packs: bool = True, **settings: int) -> Asker:
    tokenizer = tokenizer_for(kind, TEXTS)
    model = make(kind, len(tokenizer))
    assert not packs or packed.pack(model)
    encoder = Encoder(model=model, tokenizer=tokenizer, device=cpu(), vocabulary="", reads="last")
    values = {"length": 200, "answer_pieces": 6, "micro_tokens": 512, **settings}
    spec = {"task": task, "prompt": {**prompts()[task], "shots": 0, "language": "en"}, "settings": values}
    return Asker(encoder=encoder, head=model.get_input_embeddings().weight.detach(), spec=spec)


def likelihoods(one: Asker, text: str, answers: dict[str, str]) -> dict[str, float]:
    """Of whole texts by transformers' own model, one by one."""
    causal = AutoModelForCausalLM.from_config(one.model.config).eval()
    causal.set_attn_implementation("eager")
    setattr(causal, causal.base_model_prefix, one.model)
    causal.lm_head.weight = torch.nn.Parameter(one.head)
    found = {}
    for label, answer in answers.items():
        before, after = one._pieces(text), one._pieces(answer)
        with torch.inference_mode():
            logits = causal(torch.tensor([before + after])).logits[0].log_softmax(-1)
        found[label] = sum(float(logits[len(before) + i - 1, piece]) for i, piece in enumerate(after))
    return found


@pytest.mark.parametrize("kind", ["qwen3", "gemma3_text"])
def test_the_label_is_the_likeliest_answer(kind: str) -> None:
    packed_one, plain = asker(kind), asker(kind, packs=False)
    found = examples("mnli", 12)
    labels = packed_one.answers(found, ())
    assert labels == plain.answers(found, ())
    form = prompts()["xnli"]
    plain.model.set_attn_implementation("eager")
    for example, label in zip(found[:4], labels, strict=False):
        text = form["text"].format(text_a=example["text_a"], text_b=example["text_b"])
        scores = likelihoods(plain, text, form["answers"])
        assert label == max(scores, key=scores.__getitem__)


def test_an_answer_is_what_greedy_generation_writes_up_to_the_end_of_the_line() -> None:
    one = asker(task="xquad")
    found = examples("squad_v2", 20)
    answers = one.answers(found, ())
    assert packed.is_packed(one.model), "as it was"
    assert len(answers) == 20
    assert all("\n" not in answer for answer in answers)
    alone = [one.answers([example], ())[0] for example in found[:5]]
    assert alone == answers[:5], "what stands beside it in a batch changes nothing"
    assert one.pieces > 0


def test_a_model_that_scales_its_scores_is_refused_and_one_that_does_not_is_not() -> None:
    for kind in ("qwen3", "gemma3_text", "bloom"):
        asker(kind, packs=kind != "bloom").check()
    tokenizer = tokenizer_for("llama", TEXTS)
    config = GraniteConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, logits_scaling=8.0, max_position_embeddings=512,
    )  # fmt: skip
    model = GraniteModel(config)
    encoder = Encoder(model=model, tokenizer=tokenizer, device=cpu(), vocabulary="", reads="last")
    spec = {"task": "xnli", "prompt": prompts()["xnli"], "settings": {}}
    with pytest.raises(UserError, match="models of type granite scale or cap their scores"):
        Asker(encoder=encoder, head=model.get_input_embeddings().weight.detach(), spec=spec).check()


@pytest.mark.parametrize("width", [torch.float32, torch.bfloat16])
def test_likelihoods_are_as_fine_as_what_the_model_gives(width: torch.dtype) -> None:
    """Scores in bf16 are 0.1 apart where they are 20: answers would tie."""
    one = asker()
    one.encoder.model.to(width)
    one.head = one.head.to(width) * 20
    pieces = np.array(one._pieces("the cat sat on the dog True"), dtype=np.int32)
    feature = Feature(example=0, pieces=pieces, extra={"answer": 3})
    with torch.inference_mode():
        (found,) = one._log_probabilities([feature])
        hidden = encode(one.model, _batch(one, feature))
    scores = (hidden.double() @ one.head.double().T).log_softmax(-1)
    wanted = sum(float(scores[place - 1, pieces[place]]) for place in range(len(pieces) - 3, len(pieces)))
    assert found == pytest.approx(wanted, rel=1e-5)


def _batch(one: Asker, feature: Feature) -> Batch:
    inputs, real = inputs_of(one.model, [feature], one.encoder.pad)
    return Batch(features=[feature], inputs=inputs, given={}, real=real)


def test_weights_without_a_head_cannot_be_asked(tmp_path: Path) -> None:
    one = asker()
    one.model.config.tie_word_embeddings = False
    with pytest.raises(ModelError, match=r"no language-model head, .*: name a folder or a hub id that holds the whole"):
        head_of(tmp_path, one.encoder)
    one.model.config.tie_word_embeddings = True
    assert torch.equal(head_of(tmp_path, one.encoder), one.head)


def test_answers_count_the_examples_that_had_room_and_tell_how_far_they_are() -> None:
    told: list[dict[str, Any]] = []
    one = asker(length=60)
    one.steps, one.progress = 12, told.append
    shots = [{"id": "s", "text_a": "a cat sat", "text_b": "a cat ran", "label": "contradiction"}] * 2
    one.answers(examples("mnli", 12), shots)
    assert one.fewest == min(_room(one, example, shots) for example in examples("mnli", 12)) < 2
    assert [figures["step"] for figures in told] == sorted(figures["step"] for figures in told)
    assert (told[-1]["step"], told[-1]["steps"]) == (12, 12)
    one.answers(examples("mnli", 2), ())
    assert one.fewest == 0


def _room(one: Asker, example: dict[str, Any], shots: list[dict[str, Any]]) -> int:
    """How many of the examples fit before the question."""
    room = 60 - max(len(one._pieces(answer)) for answer in prompts()["xnli"]["answers"].values()) - 1
    question, shot = len(one.prompt(example, (), 10_000)), len(one.prompt(example, shots[:1], 10_000))
    return max(n for n in range(len(shots) + 1) if n == 0 or question + n * (shot - question) <= room)


@pytest.mark.parametrize(
    ("task", "data", "answered"),
    [
        ("xnli", "mnli", lambda form, example: form["answers"][example["label"]]),
        ("tydiqa", "squad_v2", lambda form, example: f" {example['answers'][0]['text']}\n"),
    ],
)
def test_a_decoder_that_has_learnt_the_answers_gives_them(task: str, data: str, answered: Any) -> None:
    """Fitted to the answers after their questions by transformers' own loss, then asked."""
    found = [example for example in examples(data, 24) if example.get("label") or example.get("answers")][:8]
    one, form = asker(task=task, length=2000, answer_pieces=24), prompts()[task]
    torch.manual_seed(1)
    plain = type(one.model.config).from_dict(one.model.config.to_dict())
    causal = AutoModelForCausalLM.from_config(plain, attn_implementation="eager").train()
    optimizer = torch.optim.AdamW(causal.parameters(), lr=1e-2)
    for _ in range(60):
        for example in found:
            question = one._pieces(form["text"].format(**_plain(example)))
            answer = one._pieces(answered(form, example))
            pieces, labels = torch.tensor([question + answer]), torch.tensor([[-100] * len(question) + answer])
            causal(input_ids=pieces, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    one.encoder.model.load_state_dict(causal.model.state_dict())
    one.head = causal.lm_head.weight.detach()
    wanted = [example.get("label") or example["answers"][0]["text"] for example in found]
    assert one.answers(found, ()) == wanted


@pytest.mark.parametrize("task", ["xnli", "xquad"])
def test_what_does_not_fit_into_a_gpus_memory_is_asked_in_halves(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examples("mnli" if task == "xnli" else "squad_v2", 9)
    wanted = asker(task=task).answers(found, ())
    one, name = asker(task=task), "_log_probabilities" if task == "xnli" else "_continued"
    compute, most = getattr(one, name), 2

    def short(items: Any) -> Any:
        if len(items) > most:
            raise torch.OutOfMemoryError
        return compute(items)

    monkeypatch.setattr(one, name, short)
    assert one.answers(found, ()) == wanted
    most = 0
    with pytest.raises(UserError, match=r"one question of \d+ word pieces does not fit"):
        one.answers(found, ())


def test_examples_stand_in_front_with_their_answers() -> None:
    one = asker()
    shots = [{"id": "s", "text_a": "a cat sat", "text_b": "a cat ran", "label": "contradiction"}]
    pieces = one.prompt({"id": "1", "text_a": "the dog", "text_b": "<|end|>"}, shots, 400)
    end = one.encoder.tokenizer.eos_token_id
    assert end not in pieces, "text is text"
    assert one.encoder.tokenizer.decode(pieces) == (
        "a cat sat\nQuestion: a cat ran True, False or Neither?\nAnswer: False\n\n"
        "the dog\nQuestion: <|end|> True, False or Neither?\nAnswer:"
    )


def test_what_is_too_long_loses_examples_and_then_the_end_of_its_passage() -> None:
    one = asker(task="xquad")
    example = {"id": "1", "context": " ".join(["cat"] * 300), "question": "who ?"}
    shots = [{"id": "s", "context": "a dog", "question": "who ?", "answers": [{"text": "dog", "start": 2}]}]
    pieces = one.prompt(example, shots, 80)
    assert len(pieces) <= 80
    text = one.encoder.tokenizer.decode(pieces)
    assert text.startswith("cat cat")
    assert text.endswith("\nQuestion: who ?\nAnswer:")
    assert one.cut > 200


def test_every_target_of_words_has_a_prompt_and_every_prompt_its_fields() -> None:
    asked = {key for key, task in TASKS.items() if task.target and task.form in ("pair", "span")}
    assert prompts().keys() == asked
    for key, form in prompts().items():
        example: dict[str, Any] = {"text_a": "A", "text_b": "B", "context": "C", "question": "Q"}
        assert "{" not in form["text"].format(**example)
        if TASKS[key].form == "pair":
            assert set(form["answers"]) == set(TASKS[key].labels or ())


GRID = """\
name: asked
model: [org/decoder, org/encoder]
seeds: [1, 2]
intermediates: [none, prompted]
targets: [xnli, tydiqa, panx, tatoeba]
"""


def known(of: Any, **kinds: str) -> Inventory:
    have = inventory(of)
    models = {
        f"org/{name}": Model(name=name, identity={"hub": name}, config={"model_type": kind})
        for name, kind in kinds.items()
    }
    return Inventory(units=have.units, models=models, source=have.source)


def test_decoders_are_asked_about_what_can_be_said_in_words(tmp_path: Any) -> None:
    of = grid(GRID, tmp_path)
    plan = build(of, known(of, decoder="qwen3", encoder="xlm-roberta"))
    rows = [row for row in plan.rows if row.arm == "prompted"]
    assert {(row.model, row.task) for row in rows} == {("org/decoder", "xnli"), ("org/decoder", "tydiqa")}
    assert len({row.key for row in rows}) == 2, "no seed changes what is asked without examples"
    spec = plan.stages[rows[0].key].spec
    assert spec["prompt"] == {**prompts()["xnli"], "shots": 0, "language": "en"}
    assert "seed" not in spec
    shots = grid(GRID + "prompted: {shots: 2}\n", tmp_path)
    more = build(shots, known(shots, decoder="qwen3", encoder="xlm-roberta"))
    assert len({row.key for row in more.rows if row.arm == "prompted"}) == 4
    with pytest.raises(UserError, match="`prompted` asks decoders, and no model of this grid is one"):
        build(of, known(of, decoder="bert", encoder="xlm-roberta"))


@pytest.mark.parametrize("name", ["final_logit_softcapping", "logits_scaling", "logit_scale"])
def test_a_model_that_bends_its_scores_is_told_of_when_it_is_planned(name: str, tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = known(of, decoder="qwen3", encoder="xlm-roberta")
    for value in (None, 1.0):
        assert build(of, with_config(have, {"model_type": "qwen3", name: value}))
    with pytest.raises(UserError, match=f"model org/decoder: {name} bends its scores"):
        build(of, with_config(have, {"model_type": "granite", name: 8.0}))
    plain = grid(GRID.replace(", prompted", ""), tmp_path)
    assert build(plain, with_config(have, {"model_type": "granite", name: 8.0}))


def with_config(have: Inventory, config: dict[str, Any]) -> Inventory:
    decoder = Model(name="org/decoder", identity={"hub": "decoder"}, config=config)
    return Inventory(units=have.units, models={**have.models, "org/decoder": decoder}, source=have.source)


def test_the_head_is_fetched_of_what_may_be_asked(tmp_path: Path) -> None:
    """Of decoders always, of what nobody knows where the arm is there."""

    def heads(text: str, kind: str) -> list[Any]:
        of = grid(text, tmp_path)
        plan = build(of, known(of, decoder=kind, encoder="xlm-roberta"))
        fetched = [one for one in plan.stages.values() if one.where.get("model") == "org/decoder"]
        return [(one.spec.get("head"), one.where.get("asked")) for one in fetched]

    plain = GRID.replace(", prompted", "")
    assert (heads(GRID, "qwen3"), heads(plain, "qwen3")) == ([(True, True)], [(True, False)])
    assert (heads(GRID, "granite"), heads(plain, "granite")) == ([(True, True)], [(None, None)])


def test_a_contrast_with_what_is_never_asked_is_refused(tmp_path: Any) -> None:
    text = GRID + "contrasts: [{name: c, arm: none, against: prompted, tasks: [panx]}]\n"
    of = grid(text, tmp_path)
    with pytest.raises(UserError, match="contrasts: 'c' compares the arm `prompted` on what it is never asked"):
        build(of, known(of, decoder="qwen3", encoder="xlm-roberta"))
    of = grid(text.replace("tasks: [panx]", "model: org/encoder"), tmp_path)
    with pytest.raises(UserError, match="compares the arm `prompted` on what it is never asked"):
        build(of, known(of, decoder="qwen3", encoder="xlm-roberta"))


def test_examples_in_front_are_planned_where_the_target_trains_in_other_languages(tmp_path: Any) -> None:
    text = GRID.replace("[xnli, tydiqa, panx, tatoeba]", "[{task: xnli, train: [de]}]")
    of = grid(text + "setting: translate-train\nprompted: {shots: 2}\n", tmp_path)
    plan = build(of, known(of, decoder="qwen3", encoder="xlm-roberta"))
    (key, *_) = [row.key for row in plan.rows if row.arm == "prompted"]
    assert plan.stages[plan.stages[key].spec["parents"]["shots"]].title == "fetch mnli"


def test_the_arm_without_a_target_that_it_is_asked_is_refused(tmp_path: Path) -> None:
    of = grid(GRID.replace("[xnli, tydiqa, panx, tatoeba]", "[panx, tatoeba]"), tmp_path)
    with pytest.raises(UserError, match=r"`prompted` is asked .*tydiqa.*, and none of them is a target of this grid"):
        build(of, known(of, decoder="qwen3", encoder="xlm-roberta"))


def test_a_decoder_whose_files_have_no_head_is_refused_when_it_is_planned(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = known(of, decoder="qwen3", encoder="xlm-roberta")

    def planned(tied: bool, *names: str) -> None:
        config = {"model_type": "qwen3", "tie_word_embeddings": tied}
        decoder = Model(name="d", identity={"digest": "d"}, config=config, weights=dict.fromkeys(names, (2, 2)))
        build(of, Inventory(units=have.units, models={**have.models, "org/decoder": decoder}, source=have.source))

    planned(True, "model.embed_tokens.weight")
    planned(False, "model.embed_tokens.weight", "lm_head.weight")
    planned(False)  # on a hub: not known
    with pytest.raises(UserError, match="model org/decoder: its weights have no language-model head"):
        planned(False, "model.embed_tokens.weight")
