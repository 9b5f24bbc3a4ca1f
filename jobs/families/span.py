"""Questions answered by a span of the context, with and without "no answer".

The question comes first, cut at `question_length` pieces (counted); the context follows whole, in windows that start
`stride` pieces apart. In training a window without the (first) answer is taught to point at the first piece, which
also stands for "no answer" (the last, where a model has seen nothing at the first). An answer is cut out of the
context by character offsets, white space at its ends trimmed: never put together from pieces, never re-aligned (that
once cost Chinese MLQA most of its exact matches).

Decoding is the published one: of each window the `n_best` starts and ends, in pairs at most `answer_length` pieces
long, and of all windows' pairs the best sum. Where a window has no such pair, its best start's best end stands in, so
that a task without "no answer" always gets an answer. Equal sums: the earlier start, then the shorter answer. With
`no_answer`, "" wins if that piece as start and end, in the window where that scores lowest, beats the best pair.
BERT's rule that a start counts only in the window that shows most around it is not applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.families.base import Family, Feature, PreTrainedModel, Tensor, nn, torch
from jobs.families.heads import PieceHead, starts
from jobs.families.tokens import Frame
from xtl.architectures import Reads
from xtl.errors import DataError, UserError


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """What a window points at: its best starts and ends as pieces of the context window, best first, with their
    logits (n_best,), and the logit of "no answer"."""

    starts: np.ndarray
    start_scores: np.ndarray
    ends: np.ndarray
    end_scores: np.ndarray
    none: float


class Span(Family):
    """settings: `length`, and if they differ from the published ones, `stride` (128), `question_length` (64),
    `answer_length` (30), `n_best` (20), all in pieces. no_answer: whether "" is an answer.

    A feature's `labels` are the pieces where the answer starts and ends; `extra["context"]` says where in the input its
    piece of context begins, `extra["spans"]` (evaluation only) that piece's character offsets, (pieces, 2).
    """

    def __init__(
        self, key: str, tokenizer: Any, settings: Mapping[str, Any], *, no_answer: bool, reads: Reads = "first"
    ) -> None:
        self.key = key
        self.no_answer = no_answer
        self.frame = Frame(tokenizer, int(settings["length"]), reads)
        self.stride = int(settings.get("stride", 128))
        self.question_length = int(settings.get("question_length", 64))
        self.answer_length = int(settings.get("answer_length", 30))
        self.n_best = int(settings.get("n_best", 20))
        self.cut = 0
        if self.question_length >= self.frame.room_two:
            raise UserError(
                f"length: {self.frame.length} word pieces leave no room for a context beside a question of "
                f"{self.question_length}"
            )

    def head(self, encoder: PreTrainedModel) -> nn.Module:
        return PieceHead(encoder.config.hidden_size, 2, dropout=0.0)

    def features(self, examples: Sequence[dict[str, Any]], *, train: bool) -> list[Feature]:
        questions = self.frame.encode(e["question"] for e in examples)
        contexts = self.frame.encode_spans(e["context"] for e in examples)
        found: list[Feature] = []
        for place, example in enumerate(examples):
            question = questions[example["question"]]
            self.cut += max(0, len(question) - self.question_length)
            ids, spans = contexts[example["context"]]
            answer = self._answer(example, spans, train)
            found += self._windows(place, question[: self.question_length], ids, spans, answer, train)
        return found

    def _answer(self, example: dict[str, Any], spans: np.ndarray, train: bool) -> tuple[int, int] | None:
        """The first answer's first and last piece. None: there is none, or no piece holds it."""
        if not example["answers"]:
            if train and not self.no_answer:
                raise DataError(
                    self.key, f"question {example['id']}", "has no answer, and the task knows no such thing"
                )
            return None
        answer = example["answers"][0]
        first = int(np.searchsorted(spans[:, 1], answer["start"], side="right"))
        last = int(np.searchsorted(spans[:, 0], answer["start"] + len(answer["text"]), side="left")) - 1
        return (first, last) if first <= last else None

    def _windows(
        self,
        place: int,
        question: list[int],
        ids: list[int],
        spans: np.ndarray,
        answer: tuple[int, int] | None,
        train: bool,
    ) -> Iterator[Feature]:
        room = self.frame.room_two - len(question)
        context = self.frame.before_second(len(question))
        for start in _window_starts(len(ids), room, self.stride):
            pieces, segments = self.frame.two(question, ids[start : start + room])
            nothing = 0 if self.frame.reads == "first" else len(pieces) - 1
            labels = (nothing, nothing)
            if answer and start <= answer[0] and answer[1] < start + room:
                labels = (answer[0] - start + context, answer[1] - start + context)
            extra: dict[str, Any] = {"context": context}
            if not train:
                extra["spans"] = spans[start : start + room]
            yield Feature(example=place, pieces=pieces, segments=segments, labels=labels, extra=extra)

    def tensors(self, batch: Sequence[Feature]) -> dict[str, np.ndarray]:
        """`grid`: (windows, longest), the places of each window's pieces, -1 beyond its end."""
        inside = np.arange(max(map(len, batch)))
        beyond = inside >= np.array([len(f) for f in batch])[:, None]
        return {
            "grid": np.where(beyond, -1, starts(batch)[:, None] + inside),
            "gold": np.array([place for f in batch for place in f.labels]),
        }

    def loss(self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        """The mean of the start's and the end's cross-entropy over all pieces of a window, summed over windows."""
        grid = given["grid"]
        logits = head(hidden)[grid].masked_fill(grid.unsqueeze(-1) < 0, -torch.inf)
        points = logits.transpose(1, 2).flatten(0, 1)  # starts and ends of all windows, in the order of `labels`
        return nn.functional.cross_entropy(points, given["gold"], reduction="sum") / 2

    def outputs(
        self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor], batch: Sequence[Feature]
    ) -> list[Points]:
        logits = np.split(head(hidden).cpu().numpy(), starts(batch)[1:])
        return [
            self._points(scores, f.extra["context"], len(f.extra["spans"]))
            for f, scores in zip(batch, logits, strict=True)
        ]

    def _points(self, scores: np.ndarray, context: int, size: int) -> Points:
        inside = scores[context : context + size]
        order = np.argsort(-inside, axis=0, kind="stable")[: self.n_best]
        starts, ends = order[:, 0], order[:, 1]
        if size and not _pairs(starts, ends, self.answer_length).any():
            reach = inside[starts[0] : starts[0] + self.answer_length, 1]
            ends = np.append(ends, starts[0] + reach.argmax())
        return Points(
            starts=starts,
            start_scores=inside[starts, 0],
            ends=ends,
            end_scores=inside[ends, 1],
            none=float(scores[0 if self.frame.reads == "first" else -1].sum()),
        )

    def decode(
        self, examples: Sequence[dict[str, Any]], features: Sequence[Feature], outputs: Sequence[Points]
    ) -> list[str]:
        """An answer an example, a piece of its context as written; "" for no answer (or a context without text)."""
        windows: list[list[tuple[np.ndarray, Points]]] = [[] for _ in examples]
        for feature, points in zip(features, outputs, strict=True):
            windows[feature.example].append((feature.extra["spans"], points))
        return [self._best(example["context"], found) for example, found in zip(examples, windows, strict=True)]

    def _best(self, context: str, windows: Sequence[tuple[np.ndarray, Points]]) -> str:
        ranked = [self._candidates(spans, points) for spans, points in windows]
        scores, starts, ends = (np.concatenate(parts) for parts in zip(*ranked, strict=True))
        none = min(points.none for _, points in windows)
        for index in np.lexsort((ends, starts, -scores)):
            if self.no_answer and none > scores[index]:
                return ""
            if text := context[starts[index] : ends[index]].strip():
                return text
        return ""

    def _candidates(self, spans: np.ndarray, points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, first characters and ends of all pairs that make an answer."""
        s, e = _pairs(points.starts, points.ends, self.answer_length).nonzero()
        scores = points.start_scores[s] + points.end_scores[e]
        return scores, spans[points.starts[s], 0], spans[points.ends[e], 1]


def _pairs(starts: np.ndarray, ends: np.ndarray, longest: int) -> np.ndarray:
    """Which starts and ends make an answer, (starts, ends) bool."""
    pieces = ends[None, :] - starts[:, None] + 1
    return (pieces >= 1) & (pieces <= longest)


def _window_starts(size: int, room: int, stride: int) -> range:
    """Where windows of `room` pieces start: `stride` apart, or less where that would leave a gap, up to the first that
    reaches the end."""
    step = min(stride, room)
    return range(0, max(size - room, 0) + step, step)
