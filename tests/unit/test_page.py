"""The HTML page: its numbers are the report's, holes are holes, names do no harm, and it is sound HTML."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tests import pages, reports
from tests.reports import KOREAN, SEVERAL
from xtl.errors import UserError
from xtl.report import figures, panels, svg
from xtl.report.differences import KINDS
from xtl.report.heat import heat
from xtl.report.model import Report
from xtl.report.page import _template, page
from xtl.report.study import cell_text
from xtl.report.tables import WORDS, contrast
from xtl.scoring.xtreme import targets


@pytest.fixture(scope="module")
def report() -> Report:
    return reports.report()


@pytest.fixture(scope="module")
def shown(report: Report) -> str:
    return page(report)


@pytest.fixture(scope="module")
def tree(shown: str) -> ElementTree.Element:
    return pages.tree(shown)


def test_the_answer_comes_first_then_every_contrast_and_what_to_be_careful_about(
    report: Report, tree: ElementTree.Element
) -> None:
    main = tree.find("body/main")
    assert main is not None
    section = main[0]
    (first,) = [one for one in section.iter("p") if one.get("class") == "first"]
    assert pages.text(first) == report.answer.first
    assert report.answer.first.startswith(f"{SEVERAL} beats mnli by ")
    told = [pages.text(one) for one in section.iter("li")]
    assert told == [*report.answer.sentences[1:], *report.answer.cautions]


def test_every_score_on_the_page_is_the_tables(report: Report, tree: ElementTree.Element) -> None:
    head, *rows = pages.table(tree, "Scores, zero-shot")
    assert head == ["intermediate", *report.tasks, "average"]
    assert [row[0] for row in rows] == [line.arm for line in report.table.lines]
    for row, line in zip(rows, report.table.lines, strict=True):
        assert pages.first(row[1:-1]) == [cell_text(line.cells.get(task)) for task in report.tasks]
    assert rows[1][1 + report.tasks.index("xquad")].endswith("4 seeds")


def test_the_heat_map_is_what_a_contrast_of_each_arm_with_the_baseline_would_be(
    report: Report, tree: ElementTree.Element
) -> None:
    """Reckoned here from single scores, and beside the contrasts that there are."""
    head, *rows = pages.table(tree, "Arm minus none")
    found = {row[0]: dict(zip(head, row, strict=True)) for row in rows}

    def difference(arm: str, task: str, seeds: tuple[int, ...], but: str = "en") -> float:
        languages = [x for x in targets()[task].languages if x not in but.split()]
        apart = [reports.score(arm, s, task, x) - reports.score("none", s, task, x) for s in seeds for x in languages]
        return sum(apart) / len(apart)

    everywhere = (1, 2, 3, 4, 5)
    assert found["mnli"]["udpos"].startswith(f"{difference('mnli', 'udpos', everywhere):+.1f} [")
    assert found["mnli"]["xquad"].startswith(f"{difference('mnli', 'xquad', (1, 3, 4, 5)):+.1f} [")
    assert " 4 seeds" in found["mnli"]["xquad"]
    own = difference(SEVERAL, "xnli", everywhere, but="en de ru sw")
    assert found[SEVERAL]["xnli"].startswith(f"{own:+.1f} [")
    whole = difference(SEVERAL, "xnli", everywhere, but="")
    assert found[SEVERAL]["xnli"].endswith(f"5 seeds all {whole:+.1f}‡"), "its own task beneath"
    assert found["mnli"]["tatoeba"].endswith("5 seeds"), "no English there, so nothing beneath"
    for one in report.contrasts:
        for task in one.tasks if one.against == "none" else ():
            if task.headline:
                low, high = task.headline.seeds or (0.0, 0.0)
                assert found[one.arm][task.task].startswith(f"{task.headline.value:+.1f} [{low:+.1f}, {high:+.1f}]")
    assert set(pages.first(rows[-1][1:])) == {"+0.0"}  # the null arm
    assert found[KOREAN]["bucc2018"] == "- no result yet"


def test_every_language_of_every_contrast_is_in_its_table(report: Report, tree: ElementTree.Element) -> None:
    for one in report.contrasts:
        _, *rows = pages.table(tree, f"{one.name}, by language")
        expected = [(task.task, x) for task in one.tasks for x in task.languages]
        assert len(rows) == len(expected)
        for row, (task, x) in zip(rows, expected, strict=True):
            assert row[:2] == [task, x.language]
            assert row[2] == WORDS[x.kind]
            assert row[3:6] == [f"{x.arm:.1f}", f"{x.against:.1f}", f"{x.difference.value:+.1f}"]
            assert row[8] == str(len(x.difference.by_seed))


def test_figures_say_in_words_what_they_draw(report: Report, tree: ElementTree.Element) -> None:
    drawings = list(tree.iter(f"{pages.SVG}svg"))
    assert len(drawings) > len(report.contrasts)
    for one in drawings:
        title, described = one.find(f"{pages.SVG}title"), one.find(f"{pages.SVG}desc")
        assert title is not None
        assert described is not None
        assert one.get("role") == "img"
        assert one.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"
        assert len(title.text or "") > 5
        assert len(described.text or "") > 20
    (forest,) = [one for one in drawings if one.get("aria-labelledby", "").startswith("contrast-1-forest")]
    said = "".join(forest.itertext())
    figure = report.contrasts[0].figure
    assert figure is not None
    assert f"average over tasks: {figure.value:+.1f} points" in said


def test_every_kind_of_language_has_words_and_a_mark_of_its_own_shape(report: Report) -> None:
    """In the legend, in tables, and in both figures of a contrast, one kind as well as another."""
    assert set(WORDS) == set(KINDS) == set(figures.MEANINGS) - {"all"} == set(svg.MARKS) - {"all"}
    assert len(set(svg.MARKS.values())) == len(svg.MARKS)
    assert all(f"svg.fig .{kind}{{" in svg.CSS for kind in KINDS)
    told = "".join(ElementTree.fromstring(figures.legend("x", KINDS)).itertext())
    assert all(meaning in told for meaning in figures.MEANINGS.values())
    one = report.contrasts[2]
    (panx,) = (task for task in one.tasks if task.task == "panx")
    for kind in KINDS:
        every = tuple(replace(x, kind=kind) for x in panx.languages)
        task = replace(panx, languages=every, by_kind={kind: panx.by_kind["unseen"]})
        shapes = {
            path.get("d", "").lstrip("M-.0123456789 ")
            for drawn in (figures.dots(task, one, "x", ""), figures.forest(replace(one, tasks=(task,)), "x", ""))
            for path in ElementTree.fromstring(drawn).iter(f"{pages.SVG}path") if path.get("class") == kind
        }  # fmt: skip
        assert len(shapes) == 1
        assert any(WORDS[kind] in row[1] for row in contrast(replace(one, tasks=(task,)), report).rows)


def test_marks_of_seen_and_unseen_differ_in_shape(report: Report) -> None:
    """Colour alone would not tell them apart."""
    task = next(task for task in report.contrasts[2].tasks if task.task == "panx")
    root = ElementTree.fromstring(figures.dots(task, report.contrasts[2], "x", "zero-shot"))
    shapes: dict[str, set[str]] = {}
    for path in root.iter(f"{pages.SVG}path"):
        if path.find(f"{pages.SVG}title") is not None:
            shapes.setdefault(path.get("class", ""), set()).add(path.get("d", "").lstrip("M-.0123456789 "))
    assert set(shapes) == {"seen", "unseen", "english"}
    assert all(len(one) == 1 for one in shapes.values())
    assert len(set.union(*shapes.values())) == 3
    marked = {x.language for x in task.languages if x.kind == "seen"}
    assert marked == {"de", "ru", "sw"}


def test_holes_are_shown_as_holes(report: Report, tree: ElementTree.Element) -> None:
    head, *rows = pages.table(tree, "Seeds with a result")
    coverage = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert coverage[KOREAN]["bucc2018"] == "0 of 5"
    assert coverage["mnli"]["xquad"] == "4 of 5"
    assert coverage["none"]["xquad"] == "5 of 5"
    listed = [pages.text(one) for one in tree.iter("li")]
    assert [one for one in report.missing if one not in listed] == []
    assert "218 of 225 results are there." in "".join(tree.itertext())
    assert any("pawsx" in one and one.startswith(f"{reports.MODEL} mnli seed 3") for one in listed)  # degenerate


def test_every_run_has_its_key_and_links_and_a_missing_one_has_none(report: Report, tree: ElementTree.Element) -> None:
    links = {one.get("href", "") for one in tree.iter("a")}
    for run in report.runs:
        assert (f"../../{run.manifest}" in links) == run.done
        assert (f"../../{run.log}" in links) == run.done
    shown = "".join(tree.itertext())
    assert all(run.key[:16] in shown for run in report.runs)
    assert f"{sum(run.gpu_hours for run in report.runs):,.1f} GPU hours in all" in shown


def test_nothing_is_asked_of_the_network(shown: str, tree: ElementTree.Element) -> None:
    """No address but places on the page and in the store, and a policy that would stop any other."""
    attributes = {name: value for one in tree.iter() for name, value in one.attrib.items() if name in ("src", "href")}
    assert set(attributes) == {"href"}
    for one in tree.iter():
        href = one.get("href", "#")
        assert href.startswith(("#", "../../manifests/", "../../stages/", "data:,"))
        assert "style" not in one.attrib
        assert not [name for name in one.attrib if name.startswith("on")]
    policy = next(one.get("content", "") for one in tree.iter("meta") if "http-equiv" in one.attrib)
    assert policy.startswith("default-src 'none';")
    for tag in ("script", "style"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", shown, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert "url(" not in inline
        assert "@import" not in inline


def test_the_page_has_landmarks_headings_in_order_and_tables_with_heads(tree: ElementTree.Element) -> None:
    assert tree.get("lang") == "en"
    assert [len(list(tree.iter(tag))) for tag in ("main", "header", "footer", "nav", "h1")] == [1] * 5
    levels = [level for level, _ in pages.headings(tree)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    identifiers = [one.get("id") for one in tree.iter() if "id" in one.attrib]
    assert len(identifiers) == len(set(identifiers))
    targets_ = [one.get("href", "")[1:] for one in tree.iter("a") if one.get("href", "").startswith("#")]
    assert set(targets_) <= set(identifiers)
    for table in tree.iter("table"):
        assert table[0].tag == "caption"
        assert all(head.get("scope") in ("col", "row") for head in table.iter("th"))
        widths = {len(row) for row in table.iter("tr")}
        assert len(widths) == 1, pages.text(table[0])


def test_names_are_shown_as_written_and_do_nothing() -> None:
    report = reports.hostile()
    html = page(report)
    assert html.count("<script") == 1
    tree = pages.tree(html)
    assert not [one for one in tree.iter() for name in one.attrib if name.startswith("on")]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    shown = [row[0] for row in pages.table(tree, "Scores, ")[1:]]
    assert shown[1:] == [
        "<script>alert(1)</script>",
        '" onmouseover="alert(2)" x="',
        "\\x1b[31mred\\x1b[0m",
        "\\u202eright to left",
    ]
    headings = {name for _, name in pages.headings(tree)}
    assert "<script>alert(1)</script>&amp;" in headings  # written with the entity, and shown so
    for one in report.contrasts:
        ElementTree.fromstring(svg.alone(figures.forest(one, "x", "zero-shot")).encode())


def test_another_setting_stands_in_every_table_of_scores() -> None:
    tree = pages.tree(page(reports.report(setting="translate-train", seeds=(1, 2), items=False)))
    captions = [pages.text(one) for one in tree.iter("caption")]
    without = ("Devices and versions", "Arm ", "Models and data")
    assert [one for one in captions if "translate-train" not in one and not one.startswith(without)] == []
    assert "The setting is translate-train" in "".join(tree.itertext())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"contrasts": ()}, "The grid names no contrast"),
        ({"arms": reports.ARMS[:1], "contrasts": ()}, "there is nothing to subtract"),
        ({"seeds": (1,)}, "too few"),
        ({"arms": reports.ARMS[1:], "contrasts": ()}, "Every arm minus mnli"),
        ({"models": ("a", "b"), "seeds": (1, 2)}, "on b"),
        ({"holes": frozenset((a["name"], 1, t) for a in reports.ARMS for t in targets()), "seeds": (1,)},
         "0 of 45 results"),
    ],
    ids=["no contrast", "one arm", "one seed", "no baseline", "two models", "nothing yet"],
)  # fmt: skip
def test_a_small_or_empty_study_has_a_page_too(options: dict[str, object], told: str) -> None:
    tree = pages.tree(page(reports.report(items=False, **options)))  # type: ignore[arg-type]
    assert told in pages.text(tree)
    assert "nan" not in pages.text(tree).lower().split()


def test_published_rows_stand_with_their_source_and_caution(report: Report) -> None:
    row = {"model": "Other", "source": "A paper, table 1", "caution": "Other <settings>.", "cells": {"xnli": "79.2"}}
    tree = pages.tree(page(report, [row]))
    head, line = pages.table(tree, "Published results")
    assert dict(zip(head, line, strict=True)) | {"model": "Other"} == {
        "model": "Other", **dict.fromkeys(report.tasks, "-"), "xnli": "79.2"
    }  # fmt: skip
    assert "Other: A paper, table 1. Other <settings>." in [pages.text(one) for one in tree.iter("li")]
    assert "Published results" not in page(report, [])


def test_a_figure_is_a_file_of_its_own(report: Report) -> None:
    curves = [one for one in report.layers if one.task == "tatoeba"]
    drawn = [
        figures.forest(report.contrasts[0], "a", "translate-train"),
        panels.layer_curves(curves, "none", "b", "translate-train"),
        panels.heat_map(heat(report), report.tasks, "none", "c", "translate-train"),
        figures.dots(report.contrasts[1].tasks[0], report.contrasts[1], "d", "translate-train"),
    ]
    for one in (*drawn, figures.legend("e")):
        root = ElementTree.fromstring(svg.alone(one).encode())
        assert root[0].tag == f"{pages.SVG}style"
    for one in drawn:
        root = ElementTree.fromstring(one)
        assert (root.findtext(f"{pages.SVG}title") or "").endswith(", translate-train")
        shown = [text.text or "" for text in root.iter(f"{pages.SVG}text")]
        assert any("translate-train" in text for text in shown), "a title alone is seen under a pointer"
        assert any(re.search(r"\b[1-9] seeds?\b|^[1-9]$|no seed", text) for text in shown), "seeds beside the figures"
    cell = heat(report)[0].cells["xnli"]
    assert cell.figure
    low, high = cell.figure.seeds or (0.0, 0.0)
    assert f"[{low:+.1f}, {high:+.1f}]" in "".join(ElementTree.fromstring(drawn[2]).itertext())
    assert sum(
        "seed" in (text.text or "") for text in ElementTree.fromstring(drawn[1]).iter(f"{pages.SVG}text")
    ) == len(curves)
    said = [path.text for path in ElementTree.fromstring(drawn[1]).iter(f"{pages.SVG}title")]
    assert f"fixed layer {curves[0].fixed}" in said
    assert f"layer {curves[0].chosen[0]}, chosen by oracle" in said


def test_an_interval_that_leaves_the_figure_ends_in_an_arrow_and_squeezes_nothing(report: Report) -> None:
    one = report.contrasts[0]
    assert one.overall is not None
    wild = replace(one, overall=replace(one.overall, seeds=(-400.0, 400.0)))
    calm, drawn = (ElementTree.fromstring(figures.forest(x, "x", "zero-shot")) for x in (one, wild))

    def arrows(root: ElementTree.Element) -> int:
        paths = [path.get("d", "") for path in root.iter(f"{pages.SVG}path") if path.get("class") == "thin"]
        return sum(d.count("L") == 2 and d.count("M") == 1 for d in paths)

    assert (arrows(calm), arrows(drawn)) == (0, 2)
    assert "[-400.0, +400.0]" in "".join(drawn.itertext())
    ticks = [t.text or "" for t in drawn.iter(f"{pages.SVG}text") if re.fullmatch(r"[+-]?\d+", t.text or "")]
    assert max(int(tick) for tick in ticks if tick.startswith("+")) <= 20


def test_text_stands_out_from_its_ground_in_light_dark_and_print(shown: str) -> None:
    """WCAG 2's contrast ratio, 4.5 for text and 3 for marks; as the style sheet's own colours have it."""
    style = re.findall(r"<style>(.*?)</style>", shown, flags=re.DOTALL)[0]
    light, dark, printed = (dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", block)) for block in _blocks(style))
    for colours in (light, dark, printed):
        for ground in ("bg", "soft", "warn"):
            assert _ratio(colours["fg"], colours[ground]) >= 7
            assert _ratio(colours["mute"], colours[ground]) >= 4.5
        assert _ratio(colours["link"], colours["bg"]) >= 4.5
        for shade in ("p1", "p2", "p3", "p4", "n1", "n2", "n3", "n4"):
            assert _ratio(colours["fg"], colours[shade]) >= 4.5, shade
    marks = [dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", one)) for one in re.findall(r"svg\.fig\{(--.*?)\}", style)]
    for ink, behind in zip(marks, (light, dark, printed), strict=True):
        for mark in ("seen", "unseen", "own", "all", "mute", "fg"):
            assert _ratio(ink[mark], behind["bg"]) >= 4.5, mark


def _blocks(style: str) -> list[str]:
    return re.findall(r":root\{(color-scheme.*?|--bg.*?)\}", style, flags=re.DOTALL)


def _ratio(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(x * 2 for x in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_without_jinja2_it_is_said_what_to_install(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    _template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UserError, match=r"pip install 'xtl\[report\]'"):
        page(report)
