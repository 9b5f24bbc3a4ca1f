"""The page as a browser shows it: its numbers, its tools by keyboard, on a phone, in the dark, on paper."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests import reports
from tests.browser.conftest import Opened
from tests.reports import KOREAN, SEVERAL
from xtl.report.model import Report
from xtl.report.page import page
from xtl.report.study import cell_text

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
    expected = [
        [line.arm, *(cell_text(line.cells.get(task)) for task in report.tasks),
         "-" if line.overall is None else f"{line.overall:.1f}"]
        for line in report.table.lines
    ]  # fmt: skip
    assert opened.table(SCORES) == expected
    assert opened.run("return document.querySelector('.first').innerText") == report.answer.first
    assert opened.console() == []
    assert [url for url in opened.requests() if not url.startswith("data:")] == [path.as_uri()]


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
    press(opened, "#runs-box-filter", "xnli@sw seed")
    assert opened.console() == []
