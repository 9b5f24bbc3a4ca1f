"""The page as a browser shows it: its numbers, its tools by keyboard, on a phone, in the dark, on paper."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import reports
from tests.browser.conftest import Opened
from tests.reports import KOREAN, SEVERAL
from xtl.report import published, tables
from xtl.report.differences import ContrastResult
from xtl.report.heat import heat
from xtl.report.model import Report
from xtl.report.page import page
from xtl.report.shown import points, span
from xtl.report.study import Cell, head_and_rows

pytestmark = pytest.mark.browser
Study = tuple[Report, Path]
SCORES = "#scores-table"


def press(opened: Opened, selector: str, *keys: str) -> None:
    """Keys to an element that has the focus: what a reader without a mouse can do."""
    opened.run("document.querySelector(arguments[0]).focus()", selector)
    opened.driver.switch_to.active_element.send_keys(*keys)


def test_the_numbers_shown_are_the_tables_and_nothing_is_fetched_or_complained_of(opened: Opened, study: Study) -> None:
    report, path = study
    opened.go(path)
    assert opened.table(SCORES) == head_and_rows(report.table)[1]
    assert opened.run("return document.querySelector('.first').innerText") == report.answer.first
    assert opened.console() == []
    assert [url for url in opened.requests() if not url.startswith("data:")] == [path.as_uri()]


def scores_by_seed(report: Report) -> list[list[str]]:
    """All languages, without its own where it has some, English alone: by arm, each by seed."""
    rows = []
    for line in report.table.lines:
        kinds: list[tuple[str, Callable[[Cell], Mapping[int, float]]]] = [("all", lambda cell: cell.values)]
        if any(cell.own for cell in line.cells.values()):
            kinds.append(("without own", lambda cell: cell.without_own))
        kinds.append(("English alone", lambda cell: cell.english))
        for name, of in kinds:
            for seed in report.seeds:
                by_task = {task: of(cell) for task, cell in line.cells.items()}
                own = {task for task, cell in line.cells.items() if name == "all" and cell.own}
                cells = [
                    f"{by_task[task][seed]:.1f}{'‡' if task in own else ''}" if seed in by_task.get(task, {}) else "-"
                    for task in report.tasks
                ]
                rows.append([line.arm, name, str(seed), *cells])
    return rows


def by_language(one: ContrastResult) -> list[list[str]]:
    rows = []
    for task in one.tasks:
        for x in task.languages:
            figure = x.difference
            shown = [f"{x.arm:.1f}", f"{x.against:.1f}", points(figure.value), span(figure.seeds), span(figure.items)]
            rows.append([task.task, x.language, tables.WORDS[x.kind], *shown, str(len(figure.by_seed))])
    return rows


def coverage(report: Report) -> list[list[str]]:
    def there(cell: Cell | None) -> str:
        if cell is not None and cell.stages == 1:
            return "1 run, no seed"
        return f"{len(cell.values) if cell else 0} of {len(report.seeds)}"

    return [[line.arm, *(there(line.cells.get(task)) for task in report.tasks)] for line in report.table.lines]


def by_run(report: Report) -> dict[str, list[list[str]]]:
    """Of each run what identifies it and what it took."""
    found: dict[str, list[list[str]]] = {}
    for run in report.runs:
        group = f"Arm {run.arm}: runs" if run.arm else "Models and data, fetched once: runs"
        took = f"{run.gpu_hours:.2f}" if run.done else "-"
        seed = "-" if run.seed is None else str(run.seed)
        found.setdefault(group, []).append([run.title, run.key[:16], seed, took])
    return found


def in_one_form(report: Report) -> dict[str, list[list[str]]]:
    """The tables that every view of a report shows."""
    some = [tables.contrast(one, report) for one in report.contrasts]
    some += [*tables.sweeps(report), *tables.present([tables.averages(report), tables.retrieval(report)])]
    some += tables.present([tables.seen(report)])
    return {one.title: [list(row) for row in one.rows] for one in some}


def of_the_page(report: Report) -> dict[str, list[list[str]]]:
    """The tables that the page alone has, by the beginning of their captions."""
    found = {
        "Arm minus none": [
            [
                row.arm,
                *(points(cell.figure.value) if (cell := row.cells[task]).figure else "-" for task in report.tasks),
            ]
            for row in heat(report)
        ],
        "Scores, zero-shot": [list(row) for row in head_and_rows(report.table)[1]],
        "Scores by seed": scores_by_seed(report),
        "Published results": [
            [row["model"], *(row["cells"].get(task, "-") for task in report.tasks)] for row in published.rows(report)
        ],
        "Seeds with a result": coverage(report),
        "Devices and versions": [
            ["1", "NVIDIA H100 80GB HBM3", VERSIONS],
            ["2", "CPU", VERSIONS],
        ],
    }
    return found | {f"{one.name}, by language": by_language(one) for one in report.contrasts}


VERSIONS = "torch 2.13.0, transformers 5.24.0, xtl 0.1.0"


@pytest.fixture(scope="module")
def every_table(chromium: Any, study: Study) -> dict[str, list[list[str]]]:
    opened = Opened(chromium)
    opened.go(study[1])
    return opened.tables()


def test_the_figures_of_every_table_are_the_report_s(every_table: dict[str, list[list[str]]], study: Study) -> None:
    """Table by table, and no table is left out."""
    report, left = study[0], dict(every_table)
    for title, rows in in_one_form(report).items():
        assert left.pop(title) == rows, title
    for begins, rows in of_the_page(report).items():
        (caption,) = [one for one in left if one.startswith(begins)]
        assert left.pop(caption) == rows, caption
    for title, rows in by_run(report).items():
        assert [[row[0], row[1], row[2], row[7]] for row in left.pop(title)] == rows, title
    assert left == {}


def test_a_column_is_sorted_by_keyboard_and_what_is_missing_stays_last(opened: Opened, study: Study) -> None:
    report, path = study
    opened.go(path)
    column = 1 + report.tasks.index("bucc2018")
    head = f"{SCORES} thead th:nth-child({column + 1})"
    for key, sort, backwards in (("\ue007", "ascending", False), (" ", "descending", True)):  # Enter, then space
        press(opened, f"{head} button", key)
        assert opened.run("return document.querySelector(arguments[0]).ariaSort", head) == sort
        shown = [(row[0], row[column]) for row in opened.table(SCORES)]
        assert shown[-1] == (KOREAN, "-")
        values = [float(value) for _, value in shown[:-1]]
        assert values == sorted(values, reverse=backwards)
        assert {name for name, _ in shown} == {line.arm for line in report.table.lines}
    press(opened, f"{SCORES} thead th:first-child button", "\ue007")
    assert [row[0] for row in opened.table(SCORES)] == sorted(line.arm for line in report.table.lines)
    assert opened.run("return document.querySelector(arguments[0]).ariaSort", head) == "none"


def test_rows_are_filtered_by_keyboard_and_the_count_is_told(opened: Opened, study: Study) -> None:
    _, path = study
    opened.go(path)
    press(opened, "#scores-box-filter", "DE+RU")
    assert [row[0] for row in opened.table(SCORES)] == [SEVERAL]
    told = "return document.querySelector('#scores').querySelector('output').innerText"
    assert opened.run(told) == "1 of 5 shown"
    press(opened, "#scores-box-filter", *["\ue003"] * 5)  # backspace
    assert len(opened.table(SCORES)) == 5
    assert opened.run(told) == ""


def test_runs_are_found_by_what_they_are_and_lead_to_their_manifest(opened: Opened, study: Study) -> None:
    report, path = study
    opened.go(path)
    run = next(one for one in report.runs if (one.arm, one.task, one.seed) == ("mnli", "panx", 4))
    assert not opened.run("return document.querySelector('#runs details[open]')")
    press(opened, "#runs-box-filter", run.key[:16])
    assert [row[0] for row in opened.table("#runs-box")] == ["panx after mnli"]
    link = "return document.querySelector('#runs-box details[open] tbody tr:not([hidden]) a').href"
    store = path.parents[2]
    assert opened.run(link) == (store / run.manifest).as_uri()


@pytest.mark.parametrize("width", [360, 768])
def test_the_page_never_scrolls_sideways(opened: Opened, study: Study, width: int) -> None:
    _, path = study
    opened.go(path, width=width, height=740)
    opened.run("for (const one of document.querySelectorAll('details')) one.open = true")
    whole, seen = opened.run("const all = document.documentElement; return [all.scrollWidth, all.clientWidth]")
    assert whole == seen <= width
    beyond = opened.run(
        "return [...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll, .vh') &&"
        " one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    scrollable = opened.run("return [...document.querySelectorAll('.scroll')].every(one => one.tabIndex === 0)")
    assert scrollable  # or a keyboard would not reach what lies beyond


def test_dark_is_dark_in_figures_too(opened: Opened, study: Study) -> None:
    _, path = study
    script = (
        "const of = (what, style) => getComputedStyle(document.querySelector(what))[style];"
        "return [of('body', 'backgroundColor'), of('body', 'color'), of('svg.fig text', 'fill')]"
    )
    opened.go(path)
    light = opened.run(script)
    opened.go(path, dark=True)
    dark = opened.run(script)
    assert (light[0], dark[0]) == ("rgb(255, 255, 255)", "rgb(20, 23, 26)")
    assert light[1] == light[2] == dark[0].replace("20, 23, 26", "27, 31, 36")
    assert dark[1] == dark[2] == "rgb(230, 232, 234)"


def test_on_paper_figures_are_unfolded_and_the_runs_are_not(opened: Opened, study: Study) -> None:
    report, path = study
    opened.go(path, dark=True)
    opened.run(
        "window.seen = {}; addEventListener('beforeprint', () => { for (const what of ['#contrasts', '#runs'])"
        " window.seen[what] = document.querySelectorAll(what + ' details[open]').length })"
    )
    printed = base64.b64decode(opened.command("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
    assert printed.startswith(b"%PDF")
    seen = opened.run("return window.seen")
    assert seen == {"#contrasts": 2 * len(report.contrasts), "#runs": 0}
    assert opened.run("return document.querySelectorAll('#contrasts details[open]').length") == 0  # folded again
    opened.command("Emulation.setEmulatedMedia", media="print", features=[])
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert opened.run(ground) == "rgb(255, 255, 255)"
    assert opened.run("return getComputedStyle(document.querySelector('nav')).display") == "none"


def test_the_keyboard_comes_to_the_answer_first_and_sees_where_it_is(opened: Opened, study: Study) -> None:
    _, path = study
    opened.go(path)
    opened.driver.switch_to.active_element.send_keys("\ue004")  # tab
    focused = opened.run(
        "const one = document.activeElement; return [one.innerText, getComputedStyle(one).outlineStyle]"
    )
    assert focused == ["Skip to the answer", "solid"]
    unnamed = opened.run(
        "return [...document.querySelectorAll('a, button, input, [tabindex]')].filter(one => !(one.innerText.trim() ||"
        " one.textContent.trim() || one.ariaLabel || one.labels?.length)).length"
    )
    assert unnamed == 0


def test_hostile_names_run_nothing(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(reports.hostile()), encoding="utf-8")
    opened.go(path)
    assert opened.run("return document.scripts.length") == 1
    assert "<script>alert(1)</script>" in [row[0] for row in opened.table(SCORES)]
    assert opened.console() == []  # an alert would have stopped all of this


def test_a_thousand_stages_open_in_two_seconds(opened: Opened, tmp_path: Path) -> None:
    """The best of three: other tests run at the same time. The figures are printed."""
    report = reports.large()
    assert len(report.runs) > 1000
    path = tmp_path / "report.html"
    path.write_text(page(report), encoding="utf-8")
    loads = []
    for _ in range(3):
        opened.go(path)
        loads.append(opened.run("return performance.getEntriesByType('navigation')[0].loadEventEnd"))
    told = ", ".join(f"{load:.0f}" for load in loads)
    print(f"{len(report.runs)} stages, {path.stat().st_size / 1e6:.1f} MB: loaded in {told} ms")
    assert 0 < min(loads) < 2000
    filtered, found = opened.run(  # what all targets have, so that every arm's runs are unfolded
        "const began = performance.now(), input = document.querySelector('#runs-box-filter');"
        "input.value = 'after'; input.dispatchEvent(new Event('input')); document.body.offsetHeight;"
        "return [performance.now() - began, document.querySelectorAll('#runs-box tbody tr:not([hidden])').length]"
    )
    unfolded = opened.run(
        "return Math.max(...[...document.querySelectorAll('details:not([open])')].map(one => {"
        " const began = performance.now(); one.open = true; document.body.offsetHeight;"
        " return performance.now() - began; }))"
    )
    print(f"{found} runs unfolded by a filter in {filtered:.0f} ms, anything else by hand in {unfolded:.0f} ms at most")
    assert found == sum(run.kind == "target" for run in report.runs)
    assert max(filtered, unfolded) < 2000
    assert opened.console() == []
