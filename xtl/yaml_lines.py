"""YAML that remembers where every value stands, so that a mistake can be named by its line.

Scalars follow YAML 1.2's core schema, not PyYAML's 1.1: `1e-5` is a number (PyYAML reads a word) and `no` is a word
(PyYAML reads false; here it may be a language). Keys are always words. What a grid does not need is refused with its
line: aliases (a few of them unfold to gigabytes), tags, several documents, a key given twice.

`parse` returns plain data; duplicates and scalars that cannot be read are collected, so that one run shows them all;
text that is no YAML at all has one problem, the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Loc = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, order=True)
class Mark:
    """A place in the file, both counted from 1."""

    line: int
    column: int = 1


@dataclass(frozen=True, kw_only=True)
class Document:
    """`values` and `keys` say where each value and each key stands, by its path from the top: `("seeds", 0)`."""

    data: Any = None
    values: dict[Loc, Mark] = field(default_factory=dict)
    keys: dict[Loc, Mark] = field(default_factory=dict)
    problems: list[tuple[Mark, str]] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the core schema's plain scalars, and without aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own protocol)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(None, None, "an alias (*): write the value out", event.start_mark)
        return super().compose_node(parent, index)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     list("-+.0123456789")),
):  # fmt: skip
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), _first)

_READ: dict[str, Any] = {
    "tag:yaml.org,2002:null": lambda text: None,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": lambda text: float(re.sub(r"\.(?=inf|nan)", "", text.lower())),
    "tag:yaml.org,2002:str": str,
}


def parse(text: str) -> Document:
    """The text's one document. Never raises for what a file may hold: look at `problems`."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        document = Document()
        data = None if node is None else _value(node, (), document)
    except yaml.reader.ReaderError as error:
        mark = Mark(line=text.count("\n", 0, error.position) + 1)
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return Document(problems=[(mark, f"not text: the character U+{code:04X}")])
    except yaml.MarkedYAMLError as error:
        return Document(problems=[_unreadable(error)])
    except RecursionError:
        return Document(problems=[(Mark(line=1), "nested too deeply to be a grid")])
    return Document(data=data, values=document.values, keys=document.keys, problems=document.problems)


def _unreadable(error: yaml.MarkedYAMLError) -> tuple[Mark, str]:
    at = error.problem_mark or error.context_mark
    mark = Mark(line=at.line + 1, column=at.column + 1) if at else Mark(line=1)
    problem = " ".join(str(error.problem or error.context).split())
    if "'\\t'" in problem:
        return mark, "a tab: YAML is indented with spaces"
    if "alias (*)" in problem:
        return mark, problem
    if isinstance(error, yaml.composer.ComposerError):
        return mark, f"a second document ({problem}): one file holds one grid"
    return mark, f"not YAML: {problem}"


def _mark(node: yaml.Node) -> Mark:
    return Mark(line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def _value(node: yaml.Node, loc: Loc, document: Document) -> Any:
    document.values[loc] = _mark(node)
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        return _mapping(node, loc, document)
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [_value(item, (*loc, index), document) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and node.tag in _READ:
        try:
            return _READ[node.tag](node.value)
        except (ValueError, OverflowError):
            document.problems.append((_mark(node), f"{node.value[:40]!r} cannot be read as {node.tag.split(':')[-1]}"))
            return None
    document.problems.append((_mark(node), f"the tag {node.tag!r}: a grid holds plain values alone"))
    return None


def _mapping(node: yaml.MappingNode, loc: Loc, document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            document.problems.append((_mark(key_node), "a list or a mapping as a key: a key is a word"))
            continue
        key = key_node.value
        if key in found:
            first = document.keys[(*loc, key)].line
            document.problems.append((_mark(key_node), f"the key {key!r} is already given on line {first}"))
            continue
        document.keys[(*loc, key)] = _mark(key_node)
        found[key] = _value(value_node, (*loc, key), document)
    return found
