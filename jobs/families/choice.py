"""Multiple choice: one score a choice, the softmax over an example's choices.

Each choice is an input of its own, of two texts: the context followed by the question, and the choice. HellaSwag has no
question and CommonsenseQA no context; what is empty leaves nothing behind. Both are tokenised apart, the question as
after a space. Too long an input loses the end of its context first, then of its question, then of the choice; all of it
is counted, once a choice. The head is the one of sentence pairs, with one output.

The choices of an example are features next to each other that carry its position (`together`); the first of them counts
as the example's one unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jobs.families.base import Family, Feature, PreTrainedModel, Tensor, nn, torch
from jobs.families.heads import SentenceHead, summaries
from jobs.families.tokens import Frame
from xtl.architectures import Reads
from xtl.errors import DataError


class Choice(Family):
    """settings: `length`. Examples may have different numbers of choices. `extra["choice"]` is a feature's position
    among them, `extra["of"]` their number; `labels` the right one's position, the same in all of an example's."""

    together = True

    def __init__(self, key: str, tokenizer: Any, settings: Mapping[str, Any], *, reads: Reads = "first") -> None:
        self.key = key
        self.frame = Frame(tokenizer, int(settings["length"]), reads)
        self.cut = 0

    def head(self, encoder: PreTrainedModel) -> nn.Module:
        return SentenceHead(encoder.config.hidden_size, 1)

    def features(self, examples: Sequence[dict[str, Any]], *, train: bool) -> list[Feature]:
        texts = (text for e in examples for text in (e["context"], _question(e), *e["choices"]))
        ids = self.frame.encode(texts)
        return [f for place, example in enumerate(examples) for f in self._group(place, example, ids, train)]

    def _group(
        self, place: int, example: dict[str, Any], ids: Mapping[str, list[int]], train: bool
    ) -> Iterator[Feature]:
        label, choices = example["label"], example["choices"]
        if label is None and train:
            raise DataError(self.key, f"example {example['id']}", "no label, so nothing can be learned from it")
        if label is not None and not 0 <= label < len(choices):
            raise DataError(self.key, f"example {example['id']}", f"label {label} of {len(choices)} choices")
        for position, choice in enumerate(choices):
            pieces, segments = self._framed(ids[example["context"]], ids[_question(example)], ids[choice])
            yield Feature(
                example=place,
                pieces=pieces,
                segments=segments,
                labels=label,
                units=float(position == 0 and label is not None),
                extra={"choice": position, "of": len(choices)},
            )

    def _framed(self, context: list[int], question: list[int], choice: list[int]) -> tuple[list[int], Any]:
        room = self.frame.room_two
        choice_kept = choice[:room]
        question_kept = question[: room - len(choice_kept)]
        context_kept = context[: room - len(choice_kept) - len(question_kept)]
        kept = len(context_kept) + len(question_kept) + len(choice_kept)
        self.cut += len(context) + len(question) + len(choice) - kept
        return self.frame.two(context_kept + question_kept, choice_kept)

    def tensors(self, batch: Sequence[Feature]) -> dict[str, np.ndarray]:
        """`rows`: (examples, most choices), the choices' rows in the batch, -1 where an example has no more."""
        rows = _groups(batch)
        widest = max(map(len, rows))
        labels = [batch[row[0]].labels for row in rows]
        return {
            "read": summaries(batch, self.frame.reads),
            "rows": np.array([row + [-1] * (widest - len(row)) for row in rows]),
            "gold": np.array([-100 if label is None else label for label in labels]),
        }

    def loss(self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        scores, rows = head(hidden[given["read"]])[:, 0], given["rows"]
        grid = scores[rows].masked_fill(rows < 0, -torch.inf)
        return nn.functional.cross_entropy(grid, given["gold"], reduction="sum")

    def outputs(
        self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor], batch: Sequence[Feature]
    ) -> list[np.ndarray]:
        """Each choice's score, a float32 scalar."""
        return list(head(hidden[given["read"]])[:, 0].cpu().numpy())

    def decode(
        self, examples: Sequence[dict[str, Any]], features: Sequence[Feature], outputs: Sequence[np.ndarray]
    ) -> list[int]:
        """The position of the best choice of each example; of equal ones, the first."""
        scores: list[list[float]] = [[] for _ in examples]
        for feature, score in zip(features, outputs, strict=True):
            scores[feature.example].append(float(score))
        return [int(np.argmax(found)) for found in scores]


def _question(example: dict[str, Any]) -> str:
    """The question as it is read behind the context."""
    return f" {example['question']}" if example["context"] and example["question"] else example["question"]


def _groups(batch: Sequence[Feature]) -> list[list[int]]:
    """Rows of the batch by example, choices in order, in whatever order they came. An example drawn twice is two."""
    found: dict[tuple[int, int], list[int]] = {}
    seen: dict[tuple[int, int], int] = {}
    for row, feature in enumerate(batch):
        choice = (feature.example, feature.extra["choice"])
        turn = seen[choice] = seen.get(choice, 0) + 1
        found.setdefault((feature.example, turn), []).append(row)
    groups = [sorted(rows, key=lambda row: batch[row].extra["choice"]) for rows in found.values()]
    for rows in groups:
        if len(rows) != batch[rows[0]].extra["of"]:
            raise ValueError(f"example {batch[rows[0]].example}: a batch holds only some of its choices")
    return groups
