"""Word pieces for families: texts to ids in batches, and the model's own marks around one text or two.

Texts are tokenised bare and framed afterwards, so that each family decides what is cut and counts it. The frame (which
marks, which token types) is read off the tokenizer once, from an encoding of its own; nothing here knows a model by
name. A text is text: `</s>` or `[SEP]` inside it are spelled out, never turned into marks.

Decoders' tokenizers leave out what a model that is read at its end needs: there an input ends in the end mark, and a
line break stands between two texts. Chat templates are never applied.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from jobs import stop
from xtl.architectures import Reads
from xtl.errors import ModelError, UserError

Ids = list[int]
_AT_ONCE = 1000  # texts a call: what the tokenizer keeps of each (strings, offsets) is many times its ids
_PROBES = ("a", "1", ".")  # some text that gives at least one piece


class Frame:
    """A fast tokenizer, the longest input, where the model has read it, and how it frames what it reads.

    room_one, room_two: pieces left for text in an input of one text, of two. Raises ModelError for a tokenizer without
    character offsets, UserError for a length that the model cannot take or that leaves no room.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, length: int, reads: Reads = "first") -> None:
        if not tokenizer.is_fast:
            raise ModelError(f"{tokenizer.name_or_path}: its tokenizer gives no offsets; a tokenizer.json is needed")
        if length > tokenizer.model_max_length:
            raise UserError(f"length: {length} word pieces, but the model reads at most {tokenizer.model_max_length}")
        self.tokenizer = tokenizer
        self.length = length
        self.reads = reads
        self._one = _marks(tokenizer, pair=False)
        self._two = _marks(tokenizer, pair=True)
        if reads == "last":
            self._two[1] = self._two[1] if self._two[1][0] else _plain(self._line_break(), 0)
            for marks in (self._one, self._two):
                marks[-1] = marks[-1] if marks[-1][0] else _plain([self._end()], len(marks) - 2)
        self._typed = "token_type_ids" in tokenizer.model_input_names
        self.room_one = length - sum(len(ids) for ids, _ in self._one)
        self.room_two = length - sum(len(ids) for ids, _ in self._two)
        if self.room_two < 2:
            raise UserError(f"length: {length} word pieces leave no room for text beside the model's own marks")

    def _end(self) -> int:
        known = (self.tokenizer.eos_token_id, self.tokenizer.sep_token_id)
        if (found := next((mark for mark in known if mark is not None), None)) is None:
            raise ModelError(f"{self.tokenizer.name_or_path}: its tokenizer has no end mark, at which it could be read")
        return int(found)

    def _line_break(self) -> Ids:
        found: Ids = self._call(["\n"])["input_ids"][0]
        return found or [self.blank]

    @property
    def marks(self) -> list[Any]:
        """All that stands around texts and in place of words without pieces: what a vocabulary's file does not say."""
        return [self._one, self._two, self.blank]

    @property
    def blank(self) -> int:
        """The id that stands for a word without pieces: `<unk>`, or the mask of a vocabulary that has none."""
        known = (self.tokenizer.unk_token_id, self.tokenizer.mask_token_id, self.tokenizer.pad_token_id)
        return next(int(found) for found in known if found is not None)

    def encode(self, texts: Iterable[str]) -> dict[str, Ids]:
        """Each distinct text's pieces, without marks."""
        found: dict[str, Ids] = {}
        for some in _chunks(dict.fromkeys(texts)):
            found.update(zip(some, self._call(some)["input_ids"], strict=True))
        return found

    def encode_spans(self, texts: Iterable[str]) -> dict[str, tuple[Ids, np.ndarray]]:
        """As `encode`, with each piece's place in its text: (pieces, 2) int32, code points from and up to.

        The offsets that a tokenizer gives leave out what its normaliser merged into the character before (the accent of
        a decomposed é, the later letters of a decomposed Hangul syllable); here they belong to that piece.
        """
        found: dict[str, tuple[Ids, np.ndarray]] = {}
        for some in _chunks(dict.fromkeys(texts)):
            encoded = self._call(some, return_offsets_mapping=True)
            for text, ids, offsets in zip(some, encoded["input_ids"], encoded["offset_mapping"], strict=True):
                found[text] = ids, _whole(text, np.asarray(offsets, dtype=np.int32).reshape(-1, 2))
        return found

    def _call(self, texts: list[str], **more: Any) -> Any:
        stop.check()  # a large data set takes minutes
        return self.tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
            **more,
        )

    def one(self, text: Ids) -> tuple[Ids, Ids | None]:
        """Pieces with the model's marks, and token types where it has them."""
        return self._framed(self._one, [text])

    def two(self, first: Ids, second: Ids) -> tuple[Ids, Ids | None]:
        return self._framed(self._two, [first, second])

    def before_second(self, first: int) -> int:
        """Where the second text starts in an input of two, given the first's pieces."""
        return len(self._two[0][0]) + first + len(self._two[1][0])

    @property
    def before_first(self) -> int:
        return len(self._one[0][0])

    def _framed(self, marks: Sequence[tuple[Ids, list[int]]], texts: list[Ids]) -> tuple[Ids, Ids | None]:
        pieces = list(marks[0][0])
        types = list(marks[0][1])
        for position, text in enumerate(texts):
            ids, mark_types = marks[position + 1]
            pieces += text
            pieces += ids
            if self._typed:
                types += [position] * len(text)
                types += mark_types
        return pieces, types if self._typed else None


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _whole(text: str, spans: np.ndarray) -> np.ndarray:
    """Ends moved over characters that no piece holds, unless they are white space or controls."""
    if text.isascii():
        return spans
    following = np.append(spans[1:, 0], len(text))
    for piece in np.flatnonzero(spans[:, 1] < following):
        end = int(spans[piece, 1])
        while end < following[piece] and unicodedata.category(text[end])[0] not in "ZC":
            end += 1
        spans[piece, 1] = end
    return spans


def _marks(tokenizer: PreTrainedTokenizerBase, *, pair: bool) -> list[tuple[Ids, list[int]]]:
    """The marks before, between and after the texts of an input, each with their token types."""
    for probe in _PROBES:
        encoded = tokenizer(probe, probe if pair else None, return_token_type_ids=True)
        sides = encoded.sequence_ids()
        if {side for side in sides if side is not None} == ({0, 1} if pair else {0}):
            break
    else:
        raise ModelError(f"{tokenizer.name_or_path}: its tokenizer gives no pieces for any of {', '.join(_PROBES)}")
    marks: list[tuple[Ids, list[int]]] = [([], [])]
    seen = None
    for side, piece, kind in zip(sides, encoded["input_ids"], encoded["token_type_ids"], strict=True):
        if side is None:
            marks[-1][0].append(piece)
            marks[-1][1].append(kind)
        elif side != seen:
            marks.append(([], []))
            seen = side
    return marks


def _plain(ids: Ids, kind: int) -> tuple[Ids, list[int]]:
    """A mark of one token type."""
    return ids, [kind] * len(ids)


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """How many pieces of each text to keep so that both fit: the longer gives way until they are equal."""
    if first + second <= room:
        return first, second
    shorter = min(first, second, room // 2)
    return (shorter, room - shorter) if first < second else (room - shorter, shorter)
