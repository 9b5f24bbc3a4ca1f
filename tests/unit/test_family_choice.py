"""Multiple choice: inputs, groups that belong together, and what is cut first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from jobs.families.choice import Choice
from tests.tiny import Run, assert_cut_changes_nothing, tiny_encoder, tiny_tokenizer
from xtl.errors import DataError

EXAMPLES: list[dict[str, Any]] = [
    {
        "id": "hella",
        "context": "A man sits on a bed. The man",
        "question": "",
        "choices": [" stands up.", " sings a song.", " eats the bed.", " is a river."],
        "label": 0,
    },
    {
        "id": "csqa",
        "context": "",
        "question": "What is a bed for?",
        "choices": ["singing", "sleeping", "a river", "a song", "eating"],
        "label": 1,
    },
    {
        "id": "cosmos",
        "context": "I sat on the bed and ate.",
        "question": "Where did I eat?",
        "choices": ["in bed", "at a river"],
        "label": 0,
    },
    {
        "id": "test",
        "context": "",
        "question": "What is a song?",
        "choices": ["singing", "a bed", "a river"],
        "label": None,
    },
]
TEXTS = [text for e in EXAMPLES for text in (e["context"], e["question"], *e["choices"])] * 2
TOKENIZER = tiny_tokenizer(TEXTS, 300)


def family(length: int = 64) -> Choice:
    return Choice("csqa", TOKENIZER, {"length": length})


def test_context_question_and_choice_are_joined_as_text_would_be() -> None:
    made = family()
    features = made.features(EXAMPLES[:3], train=True)
    firsts = ["A man sits on a bed. The man", "What is a bed for?", "I sat on the bed and ate. Where did I eat?"]
    expected = [
        TOKENIZER(first, choice)["input_ids"]
        for first, example in zip(firsts, EXAMPLES, strict=False)
        for choice in example["choices"]
    ]
    assert [f.pieces for f in features] == expected
    assert made.cut == 0


def test_each_choice_is_a_feature_of_its_example() -> None:
    made = family()
    assert made.together
    features = made.features(EXAMPLES, train=False)
    assert [f.example for f in features] == [0] * 4 + [1] * 5 + [2] * 2 + [3] * 3
    assert [f.extra["choice"] for f in features] == [*range(4), *range(5), *range(2), *range(3)]
    assert [f.units for f in features] == [1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_the_contexts_end_is_cut_first_then_the_question_then_the_choice() -> None:
    def length_of(text: str) -> int:
        return len(TOKENIZER(text, add_special_tokens=False)["input_ids"])

    example = {**EXAMPLES[2], "choices": ["in bed", "at a river " * 9]}
    context, question = length_of(example["context"]), length_of(example["question"])
    short, long = (length_of(choice) for choice in example["choices"])
    whole = [f.pieces for f in family(128).features([example], train=True)]
    for room in (question + short + 3, question + short, short + 2):
        made = family(room + 4)
        cut = made.features([example], train=True)
        assert [len(f) for f in cut] == [room + 4] * 2
        kept_question = min(question, room - short)
        kept_context = room - short - kept_question
        assert cut[0].pieces[1 : 1 + kept_context] == whole[0][1 : 1 + kept_context]
        start = 1 + kept_context
        assert cut[0].pieces[start : start + kept_question] == whole[0][1 + context : 1 + context + kept_question]
        assert cut[0].pieces[-1 - short : -1] == whole[0][-1 - short : -1]
        assert made.cut == 2 * (context + question) + short + long - 2 * room


def test_labels_have_to_be_there_and_in_range() -> None:
    with pytest.raises(DataError, match="csqa:example test: no label"):
        family().features(EXAMPLES, train=True)
    with pytest.raises(DataError, match="csqa:example cosmos: label 2 of 2 choices"):
        family().features([{**EXAMPLES[2], "label": 2}], train=False)


def test_the_loss_is_the_softmax_over_an_examples_choices() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    features = run.family.features(EXAMPLES[:3], train=True)
    scores = torch.tensor([score.item() for score in outputs(run, features)])
    expected = -(
        torch.log_softmax(scores[:4], 0)[0] + torch.log_softmax(scores[4:9], 0)[1] + torch.log_softmax(scores[9:], 0)[0]
    )
    assert run.loss(features).item() == pytest.approx(expected.item(), rel=1e-4)


def outputs(run: Run, features: list[Any]) -> list[np.ndarray]:
    from jobs.train import predict
    from tests.tiny import cpu

    return predict(run.encoder, run.head, run.family, features, device=cpu(), pad=run.pad, budget=512)


def test_the_order_inside_a_batch_does_not_matter_and_an_example_may_come_twice() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    features = run.family.features(EXAMPLES[:3], train=True)
    once = run.loss(features).item()
    assert run.loss(features[::-1]).item() == pytest.approx(once, rel=1e-5)
    assert run.loss(features * 2).item() == pytest.approx(2 * once, rel=1e-5)


def test_a_torn_group_is_refused() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    features = run.family.features(EXAMPLES[:1], train=True)
    with pytest.raises(ValueError, match="only some of its choices"):
        run.loss(features[:3])


def test_a_cut_batch_has_the_same_loss() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    features = run.family.features(EXAMPLES, train=False)
    assert_cut_changes_nothing(run, features, [features[9:], features[4:9], features[:4]])


def test_an_unlabelled_example_adds_no_loss() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    assert run.loss(run.family.features(EXAMPLES[3:], train=False)).item() == 0


def test_the_best_choice_and_the_first_of_equals() -> None:
    made = family()
    features = made.features(EXAMPLES, train=False)
    scores = [0, 1, 3, 2, *[1] * 5, 0, 1, 2, 0, 2]
    assert made.decode(EXAMPLES, features, [np.float32(s) for s in scores]) == [2, 0, 1, 0]


def test_predictions_do_not_hang_on_batches() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    assert run.decode(EXAMPLES, budget=1) == run.decode(EXAMPLES, budget=4096)
