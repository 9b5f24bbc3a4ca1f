"""A report's page as a tree, for tests: it is written so that an XML parser reads it, its script apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

SVG = "{http://www.w3.org/2000/svg}"


def tree(html: str) -> Element:
    """Raises ParseError for an element that is not closed, an attribute twice, a character that must be escaped."""
    return ElementTree.fromstring(re.sub(r"(<(script|style)>).*?(</\2>)", r"\1\3", html, flags=re.DOTALL))


def text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def table(page: Element, caption: str) -> list[list[str]]:
    """Head and rows of the one table whose caption starts so."""
    (found,) = [one for one in page.iter("table") if text(one.find("caption")).startswith(caption)]  # type: ignore[arg-type]
    return [[text(cell) for cell in row] for row in found.iter("tr")]


def first(cells: list[str]) -> list[str]:
    """Of each cell what stands before the smaller print."""
    return [cell.split(" ")[0] for cell in cells]


def headings(page: Element) -> Iterator[tuple[int, str]]:
    for element in page.iter():
        if re.fullmatch(r"h[1-6]", element.tag):
            yield int(element.tag[1]), text(element)
