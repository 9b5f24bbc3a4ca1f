"""Collects the mistakes of a grid file, each with its line, and says them in one voice.

Pydantic checks one mapping at a time (`Problems.read`); a field that fails is reported and becomes None, so the checks
that come after still see the rest and one run shows every mistake. The wording is here, not pydantic's: what is wrong,
the value, what would be valid.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from xtl.errors import GridError
from xtl.yaml_lines import Document, Loc, Mark

Model = TypeVar("Model", bound=BaseModel)

_KINDS = {
    "string_type": "a word",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def show(value: object, *, limit: int = 60) -> str:
    """A value for a message, as YAML spells it: quoted, control characters escaped, credentials of an address left out,
    cut where it would flood the terminal."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = re.sub(r"//[^/\s'\"]*@", "//***@", repr(value))
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def plain(path: object) -> str:
    """A path for a message: as it is, or escaped where it holds control characters."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def nearest(word: str, valid: Iterable[str]) -> str:
    """`, did you mean 'seeds'` where one of `valid` is close, else nothing. Of two as close, the one of the same
    letters: `nmli` means `mnli`, not `xnli`."""
    close = difflib.get_close_matches(word[:100], list(valid), n=3)
    close.sort(key=lambda one: sorted(one) != sorted(word))
    return f", did you mean {close[0]!r}" if close else ""


def choose(word: str, valid: Sequence[str], *, among: str = "valid") -> str:
    """What would be valid instead of `word`: the nearest, then all of them."""
    return f"{nearest(word, valid)}; {among}: {' '.join(map(plain, valid))}"


class Problems:
    """The mistakes found so far in one file. `file` is as the user spelled it."""

    def __init__(self, file: str, document: Document) -> None:
        self.file, self.document = file, document
        self._found: list[tuple[Mark, int, str]] = []
        for mark, what in document.problems:
            self._add(mark, what)

    def __bool__(self) -> bool:
        return bool(self._found)

    def _add(self, mark: Mark, what: str) -> None:
        self._found.append((mark, len(self._found), what))

    def at(self, loc: Loc, what: str, *, key: bool = False) -> None:
        """Report a mistake of the value at `loc` (of its key, if `key`), or of what holds it where there is none."""
        places = self.document.keys if key else self.document.values
        while loc and loc not in places:
            loc = loc[:-1]
        self._add(places.get(loc, Mark(line=1)), what)

    def need(
        self, model: type[BaseModel], raw: Mapping[str, Any], loc: Loc, who: str, examples: Mapping[str, str]
    ) -> None:
        """Report each key of `examples` that `raw` lacks, unless a misspelt key or value there says it already."""
        strange = [key for key in raw if key not in _keys(model)]
        for key, example in examples.items():
            misspelt = difflib.get_close_matches(key, strange, n=1)
            broken = self.document.values.get((*loc, key)) in {mark for mark, _, _ in self._found}
            if raw.get(key) is None and not misspelt and not broken:
                self.at((*loc, key), f"{who} without {key!r}: write {example}")

    def error(self) -> GridError:
        """All of them, in the order of the file."""
        return GridError([f"{self.file}:{mark.line}: {what}" for mark, _, what in sorted(self._found)])

    def read(self, model: type[Model], raw: object, loc: Loc) -> Model | None:
        """`raw` as a `model` whose fields all have defaults; a field that fails is reported and left at its default.
        None where it is not a mapping at all."""
        if not isinstance(raw, dict):
            self.at(loc, f"{_path(loc)}: {show(raw)} is not a mapping; keys: {' '.join(_keys(model))}")
            return None
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            self._report(model, detail, loc)
        failed = {detail["loc"][0] for detail in details}
        return model.model_validate({key: value for key, value in raw.items() if key not in failed})

    def _report(self, model: type[BaseModel], detail: ErrorDetails, loc: Loc) -> None:
        full = (*loc, *detail["loc"])
        if detail["type"] == "extra_forbidden":
            key = str(detail["loc"][-1])
            keys = _keys(model)
            inside = f" in {_path(loc)}" if loc else ""
            self.at(full, f"unknown key {show(key)}{inside}{choose(key, keys, among='valid keys')}", key=True)
        else:
            self.at(full, f"{_path(full)}: {_wrong(detail)}")


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _path(loc: Loc) -> str:
    """`train.target.xnli.lr`; a list's item goes by its list, since the line tells which; odd keys are quoted."""
    words = [part if part.isidentifier() else show(part) for part in loc if isinstance(part, str)]
    return ".".join(words) or "the grid"


def _wrong(detail: ErrorDetails) -> str:
    kind, value, context = detail["type"], show(detail["input"]), detail.get("ctx", {})
    if kind in _KINDS:
        return f"{value} is not {_KINDS[kind]}"
    if kind == "literal_error":
        valid = [word.strip("'\" ") for word in str(context["expected"]).replace(" or ", ",").split(",")]
        return f"{value} is none of: {' '.join(valid)}{nearest(str(detail['input']), valid)}"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        word = {"greater_than_equal": "at least", "greater_than": "above", "less_than_equal": "at most"}
        return f"{value} must be {word.get(kind, 'below')} {next(iter(context.values())):g}"
    if kind == "too_short":
        return "the list is empty"
    if kind == "value_error":
        return str(context["error"])
    return f"{value}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
