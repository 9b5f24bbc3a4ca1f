"""README as data: its sections, fenced blocks and tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    """Fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every line of the shell blocks."""
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


def section(title: str) -> str:
    """The text under a heading, up to the next one of level two."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, flags=re.MULTILINE | re.DOTALL)
    assert found, f"README has no section {title!r}"
    return found[1]


def table(title: str, head: str) -> list[list[str]]:
    """The cells of the table in that section whose first heading is `head`."""
    lines = iter(section(title).splitlines())
    for line in lines:
        if line.startswith(f"| {head} |"):
            next(lines)
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    break
                rows.append([cell.strip() for cell in row.removeprefix("|").removesuffix("|").split(" | ")])
            return rows
    raise AssertionError(f"{title}: no table with the heading {head!r}")


def bare(cell: str) -> str:
    """A cell without its backticks."""
    return cell.strip("`")
