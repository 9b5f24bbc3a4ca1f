"""Small SVG drawings: a canvas, a scale with round ticks, marks that differ in shape and not in colour alone.

Colours and type come from classes, so that a figure follows the page that holds it, light or dark; `alone` makes it a
file of its own, with the same rules inside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree

from xtl.report.tables import clean

#: The rules that figures need wherever they are shown.
CSS = """\
svg.fig{--fg:#1b1f24;--mute:#57606a;--rule:#d5dae0;--seen:#8f3f00;--unseen:#0b5cad;--own:#6b2fa0;--all:#1b1f24;\
--wide:#c9d6e6;--p1:#d9e8f8;--p2:#b9d6f2;--p3:#95c2ec;--p4:#74aee3;--n1:#fbe6d3;--n2:#f8d0ab;--n3:#f2b680;--n4:#e99c58}
@media (prefers-color-scheme:dark){svg.fig{--fg:#e6e8ea;--mute:#a6aeb7;--rule:#3a4149;--seen:#f2a765;--unseen:#7fb8f5;\
--own:#cba6f4;--all:#e6e8ea;--wide:#38495e;--p1:#1c2f44;--p2:#1f3e60;--p3:#214f7f;--p4:#23609f;--n1:#3d2a19;\
--n2:#553616;--n3:#6e4212;--n4:#874e0d}}
@media print{svg.fig{--fg:#000;--mute:#444;--rule:#ccc;--seen:#8f3f00;--unseen:#0b5cad;--own:#6b2fa0;--all:#000;\
--wide:#c9d6e6;--p1:#d9e8f8;--p2:#b9d6f2;--p3:#95c2ec;--p4:#74aee3;--n1:#fbe6d3;--n2:#f8d0ab;--n3:#f2b680;--n4:#e99c58}}
svg.fig{font:12px system-ui,sans-serif;font-variant-numeric:tabular-nums}
svg.fig text{fill:var(--fg)}svg.fig .mute{fill:var(--mute)}svg.fig .bold{font-weight:600}
svg.fig .rule{stroke:var(--rule);fill:none}svg.fig .zero{stroke:var(--mute);fill:none}
svg.fig .dash{stroke:var(--mute);stroke-dasharray:4 3;fill:none}
svg.fig .wide{stroke:var(--wide);stroke-width:9;fill:none}svg.fig .thin{stroke:var(--fg);stroke-width:1.3;fill:none}
svg.fig .curve{stroke:var(--unseen);stroke-width:2;fill:none}
svg.fig .seen{fill:var(--seen);stroke:var(--seen)}svg.fig .unseen{fill:none;stroke:var(--unseen);stroke-width:2}
svg.fig .english{fill:none;stroke:var(--mute);stroke-width:1.6}svg.fig .own{fill:none;stroke:var(--own);stroke-width:2}
svg.fig .seen-by-both{fill:var(--seen);stroke:var(--seen)}
svg.fig .seen-by-baseline{fill:none;stroke:var(--seen);stroke-width:2}
svg.fig .trained{fill:none;stroke:var(--own);stroke-width:2.4}
svg.fig .all{fill:var(--all);stroke:var(--all)}
svg.fig .p1{fill:var(--p1)}svg.fig .p2{fill:var(--p2)}svg.fig .p3{fill:var(--p3)}svg.fig .p4{fill:var(--p4)}
svg.fig .n1{fill:var(--n1)}svg.fig .n2{fill:var(--n2)}svg.fig .n3{fill:var(--n3)}svg.fig .n4{fill:var(--n4)}
svg.fig .z{fill:none}
"""

#: A path about the origin for each mark: a square for averages; for the kinds of language a diamond, a star, a triangle
#: on its tip, a circle, a plus, a triangle, a cross.
MARKS = {
    "all": "m-4-4h8v8h-8z",
    "seen": "m0-5.5l5 5.5-5 5.5-5-5.5z",
    "seen-by-both": "m0-6l1.4 4.1h4.3l-3.5 2.6 1.3 4.1-3.5-2.5-3.5 2.5 1.3-4.1-3.5-2.6h4.3z",
    "seen-by-baseline": "m0 5l-4.8-8.6h9.6z",
    "unseen": "m-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0-8.4 0z",
    "trained": "m-5 0h10m-5-5v10",
    "english": "m0-5l4.8 8.6h-9.6z",
    "own": "m-4-4l8 8m0-8l-8 8",
}


class Canvas:
    """width, height: in CSS pixels. identifier: unique on the page, for the labels of title and description."""

    def __init__(self, width: float, height: float, *, identifier: str, title: str, description: str) -> None:
        self.root = ElementTree.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "class": "fig",
                "viewBox": f"0 0 {_n(width)} {_n(height)}",
                "width": _n(width),
                "height": _n(height),
                "role": "img",
                "aria-labelledby": f"{identifier}-t {identifier}-d",
            },
        )
        self._add("title", {"id": f"{identifier}-t"}, title)
        self._add("desc", {"id": f"{identifier}-d"}, description)

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        attributes = {"x": _n(x), "y": _n(y)} | ({"class": style} if style else {})
        self._add("text", attributes | ({"text-anchor": anchor} if anchor != "start" else {}), text)

    def path(self, d: str, style: str, title: str = "") -> None:
        element = self._add("path", {"d": d, "class": style})
        if title:
            ElementTree.SubElement(element, "title").text = clean(title)

    def mark(self, kind: str, x: float, y: float, title: str = "") -> None:
        self.path(f"M{_n(x)} {_n(y)}{MARKS[kind]}", kind, title)

    def rect(self, x: float, y: float, width: float, height: float, style: str) -> None:
        self._add("rect", {"x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height), "class": style})

    def _add(self, name: str, attributes: dict[str, str], text: str = "") -> ElementTree.Element:
        element = ElementTree.SubElement(self.root, name, attributes)
        element.text = clean(text) or None
        return element

    def __str__(self) -> str:
        return ElementTree.tostring(self.root, encoding="unicode")


def alone(svg: str) -> str:
    """The same figure as a file of its own."""
    head, rest = svg.split(">", 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}><style>{CSS}</style>{rest}\n'


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From values low..high to pixels start..end (either way round). What lies outside is held at the edge."""

    low: float
    high: float
    start: float
    end: float
    step: float

    def __call__(self, value: float) -> float:
        held = min(max(value, self.low), self.high)
        return self.start + (held - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [self.low + at * self.step for at in range(count + 1)]


def scale(low: float, high: float, start: float, end: float, *, most: int = 7) -> Scale:
    """About low..high, widened to round ticks, at most `most` + 1 of them."""
    reach = max(high - low, 1e-9)
    power = 10 ** math.floor(math.log10(reach / most))
    step = next(power * one for one in (1, 2, 5, 10, 20) if reach / (power * one) <= most)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    return Scale(low=bottom, high=max(top, bottom + step), start=start, end=end, step=step)


def line(*places: tuple[float, float]) -> str:
    """A path through places."""
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in places)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
