"""CoNLL-U with the tokens of XTREME's part-of-speech data, which are not UD's syntactic words.

XTREME's converter (third_party/ud-conversion-tools, then utils_preprocess.py) fuses the words of a range such as `3-4`
into one token, tagged as the span's head word, and takes spaces out of tokens. The rules here give its output; where
it stops (a UPOS outside its list in a tie) that word ranks last. Heads that form a cycle are no error, there or here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from xtl.tasks.base import Example
from xtl.tasks.formats.files import Dropped, Source, lines
from xtl.tasks.formats.listing import words as listed

_WORD = re.compile(r"[1-9][0-9]{0,8}")
_RANGE = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})")
_EMPTY_NODE = re.compile(r"[0-9]+\.[0-9]+")
_HEAD = re.compile(r"[0-9]{1,9}")
_DEPS_HEAD = re.compile(r"(?:^|\|)([0-9]{1,9})(?=[:|]|$)")
_SENT_ID = "# sent_id = "

#: Which part of speech heads a fused token when several of its words stand equally high (XTREME's converter).
_PRECEDENCE = {
    "es": listed("VERB AUX PRON ADP DET"),
    "fr": listed("VERB AUX PRON NOUN ADJ ADV ADP DET PART SCONJ CONJ"),
    "it": listed("VERB AUX ADV PRON ADP DET INTJ"),
}
_DEFAULT_PRECEDENCE = listed("VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT")


@dataclass(frozen=True, slots=True)
class _Word:
    form: str
    upos: str
    heads: tuple[int, ...]  # HEAD and the plain-integer heads of DEPS


@dataclass(slots=True)
class _Sentence:
    """Words by position (1-based, without gaps), ranges by their first word: (last word, form, line)."""

    words: list[_Word] = field(default_factory=list)
    ranges: dict[int, tuple[int, str, int]] = field(default_factory=dict)
    id: str | None = None


def sentences(sources: Sequence[Source], dropped: Dropped, language: str) -> Iterator[Example]:
    """The sentences of a language's files; those whose text is withheld are counted in `dropped`."""
    for source in sources:
        for index, sentence in enumerate(_blocks(source)):
            tokens = _fused(sentence, language)
            withheld = sum(form.strip() == "_" for form, _ in tokens)
            if withheld and len(tokens) - withheld <= 1:
                dropped["text withheld"] += 1
                continue
            yield {
                "id": str(index) if sentence.id is None else sentence.id,
                "tokens": [form.strip().replace(" ", "").replace("\u200c", "") for form, _ in tokens],
                "tags": [upos for _, upos in tokens],
            }


def _blocks(source: Source) -> Iterator[_Sentence]:
    """Sentences as they stand. Comments without words between empty lines are no sentence."""
    sentence = _Sentence()
    for number, line in lines(source, empty=True):
        if not line:
            if sentence.words or sentence.ranges:
                yield _checked(source, sentence)
            sentence = _Sentence()
        elif line.startswith("#"):
            if sentence.id is None and line.startswith(_SENT_ID):
                sentence.id = line.removeprefix(_SENT_ID)
        else:
            _add(source, number, line, sentence)
    if sentence.words or sentence.ranges:
        yield _checked(source, sentence)


def _add(source: Source, number: int, line: str, sentence: _Sentence) -> None:
    cells = line.split("\t")
    if len(cells) != 10:
        source.bad(number, f"{len(cells)} cells where CoNLL-U has 10")
    key, form = cells[0], cells[1]
    if _WORD.fullmatch(key) and int(key) == len(sentence.words) + 1:
        sentence.words.append(_Word(form, cells[3], _heads(source, number, cells[6], cells[8])))
    elif found := _RANGE.fullmatch(key):
        first, last = int(found[1]), int(found[2])
        if last < first or any(first <= other[0] and begin <= last for begin, other in sentence.ranges.items()):
            source.bad(number, f"the range {key} is empty or laps over another")
        sentence.ranges[first] = (last, form, number)
    elif not _EMPTY_NODE.fullmatch(key):
        source.bad(number, f"the id {key!r} is not the next word {len(sentence.words) + 1}, a range or an empty node")


def _heads(source: Source, number: int, head: str, deps: str) -> tuple[int, ...]:
    found = [int(one) for one in _DEPS_HEAD.findall(deps)]
    if _HEAD.fullmatch(head):
        found.append(int(head))
    elif head != "_" and not _EMPTY_NODE.fullmatch(head):
        source.bad(number, f"HEAD is {head!r}, neither a node's number nor _")
    return tuple(found)


def _checked(source: Source, sentence: _Sentence) -> _Sentence:
    for first, (last, _, number) in sentence.ranges.items():
        if last > len(sentence.words):
            source.bad(
                number, f"the range {first}-{last} covers words that are not there: the last is {len(sentence.words)}"
            )
    return sentence


def _fused(sentence: _Sentence, language: str) -> list[tuple[str, str]]:
    """(form, UPOS) of every token: each range in the place of its words."""
    tokens: list[tuple[str, str]] = []
    position = 1
    while position <= len(sentence.words):
        if position in sentence.ranges:
            last, form, _ = sentence.ranges[position]
            tokens.append((form, _head_tag(sentence.words, range(position, last + 1), language)))
            position = last + 1
        else:
            word = sentence.words[position - 1]
            tokens.append((word.form, word.upos))
            position += 1
    return tokens


def _head_tag(words: Sequence[_Word], span: range, language: str) -> str:
    """UPOS of the span's head: fewest ancestors, then the language's precedence, then the first."""
    order = _PRECEDENCE.get(language, _DEFAULT_PRECEDENCE)

    def rank(position: int) -> tuple[int, int, int]:
        upos = words[position - 1].upos
        return _ancestors(words, position), order.index(upos) if upos in order else len(order), position

    return words[min(span, key=rank) - 1].upos


def _ancestors(words: Sequence[_Word], position: int) -> int:
    """How many nodes are reached by going up from a word, the root 0 counted, the word itself not."""
    seen: set[int] = set()
    ahead = [position]
    while ahead:
        node = ahead.pop()
        if 1 <= node <= len(words):
            new = [head for head in words[node - 1].heads if head not in seen]
            seen.update(new)
            ahead += new
    return len(seen - {position})
