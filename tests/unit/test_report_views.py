"""The report to read: golden Markdown, LaTeX and terminal for a fixed scores table, and CSV. Holes are holes, names are
shown and not obeyed, and every table says its setting."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports import HOLES, KOREAN, SEVERAL, hostile, large, report
from xtl.report import figures
from xtl.report.csvs import COLUMNS, contrasts_csv
from xtl.report.latex import MOST_ROWS, escape, floats, latex
from xtl.report.markdown import markdown, table
from xtl.report.model import Report
from xtl.report.tables import WORDS, Table, clean
from xtl.report.text import text

GOLDEN = Path(__file__).parents[1] / "golden" / "report"
VIEWS = {
    "report.md": lambda found: markdown(found, "phang2020"),
    "report.tex": lambda found: latex(found, "phang2020"),
    "report.txt": lambda found: text(found) + "\n",
}


@cache
def fixed() -> Report:
    return report()


@cache
def evil() -> Report:
    return hostile()


@cache
def trained() -> Report:
    return report(seeds=(1, 2), setting="translate-train", tasks=("xnli", "panx", "tatoeba"), holes=frozenset())


@pytest.mark.parametrize("name", VIEWS)
def test_golden_report(name: str) -> None:
    found, path = VIEWS[name](fixed()), GOLDEN / name
    if os.environ.get("XTL_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == found, "the report changed: if on purpose, `make golden` and say why"


def rows(document: str, title: str) -> list[list[str]]:
    """The cells of one of the Markdown's tables, head and rule left out."""
    lines = document.split(f"**{title}**\n\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_figures_are_those_of_the_report() -> None:
    found = fixed()
    (english,) = (one for one in found.contrasts if one.name == "english")
    cells = {row[0]: row for row in rows(markdown(found), "english: mnli against none, zero-shot") if row[0]}
    for task in english.tasks:
        assert task.headline is not None
        assert cells[task.task][2] == f"{task.headline.value:+.1f}"
        assert cells[task.task][5] == str(len(task.headline.by_seed))
    table = {row[0]: row for row in rows(markdown(found), "Scores, zero-shot")}
    for line in found.table.lines:
        for task, cell in line.cells.items():
            assert table[line.arm][1 + found.tasks.index(task)].startswith(f"{cell.value:.1f}")


def test_holes_are_dashes_and_empty_fields_and_never_zero() -> None:
    found = fixed()
    assert (KOREAN, 1, "bucc2018") in HOLES
    table = {row[0]: row for row in rows(markdown(found), "Scores, zero-shot")}
    assert table[KOREAN][1 + found.tasks.index("bucc2018")] == "-"
    korean = rows(markdown(found), f"korean: {KOREAN} against none, zero-shot")
    assert next(row for row in korean if row[0] == "bucc2018")[1:] == ["-"] * 7
    assert korean[-1][0] == "mean of tasks"
    assert korean[-1][2:] == ["-"] * 6
    (hole,) = (
        row for row in csv.DictReader(io.StringIO(contrasts_csv(found).decode()))
        if (row["contrast"], row["task"]) == ("korean", "bucc2018")
    )  # fmt: skip
    assert (hole["difference"], hole["seed_low"], hole["item_low"], hole["p"], hole["seeds"]) == ("", "", "", "", "0")
    assert "bucc2018: no result yet of tydiqa@ko:1625." in markdown(found)


def test_languages_of_the_task_itself_are_apart_in_every_view() -> None:
    found = fixed()
    several = rows(markdown(found), f"several: {SEVERAL} against none, zero-shot")
    own = several[[row[0] for row in several].index("xnli") + 2]
    assert own[1] == "3 own, not zero-shot: de ru sw"
    assert {row[1] for row in several[:1]} == {"11 unseen"}, "xnli's own languages are not in the headline"
    table = {row[0]: row for row in rows(markdown(found), "Scores, zero-shot")}
    assert table[SEVERAL][1].endswith("‡")
    assert "not zero{-}shot" in latex(found)
    averages = {row[0]: row for row in rows(markdown(found), "XTREME's averages, zero-shot")}
    assert [cell.endswith("‡") for cell in averages[SEVERAL][1:]] == [True, False, False, False, True]
    assert not any("‡" in cell for cell in averages["none"])
    (line,) = (line for line in found.table.lines if line.arm == SEVERAL)
    assert f"without them: classification after {SEVERAL} {line.without_own('classification'):.1f}" in markdown(found)
    kinds = [
        (row["kind"], row["language"]) for row in csv.DictReader(io.StringIO(contrasts_csv(found).decode()))
        if (row["contrast"], row["task"], row["level"]) == ("several", "xnli", "language") and row["kind"] == "own"
    ]  # fmt: skip
    assert kinds == [("own", "de"), ("own", "ru"), ("own", "sw")]


def test_every_table_says_its_setting() -> None:
    titles = re.findall(r"^\*\*(.*)\*\*$", markdown(trained(), "phang2020"), re.MULTILINE)
    assert len(titles) >= 8
    assert [title for title in titles if "translate-train" not in title] == []
    captions = re.findall(r"^\\caption\{(.*)\}$", latex(trained()), re.MULTILINE)
    assert len(captions) >= 6
    assert all("translate{-}train" in caption and "2 seeds" in caption for caption in captions)
    assert "The setting is translate-train" in text(trained())
    told = {row["setting"] for row in csv.DictReader(io.StringIO(contrasts_csv(trained()).decode()))}
    assert told == {"translate-train"}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 24), (120, 40), (40, 24)])
@pytest.mark.parametrize("which", [fixed, evil, trained])
def test_the_answer_fits_a_screen(width: int, height: int, which: object) -> None:
    found: Report = which()  # type: ignore[operator]
    said = text(found, width, height)
    assert max(map(len, said.splitlines())) <= width
    assert len(said.splitlines()) <= height or width < 80, "a narrow screen gets its one contrast in any case"
    assert " ".join(said.split()).startswith(clean(" ".join(found.answer.first.split())))
    assert said.isprintable() or {c for c in said if not c.isprintable()} == {"\n"}


def test_a_screen_counts_what_it_leaves_out() -> None:
    many = replace(fixed(), contrasts=fixed().contrasts * 4)
    shown = text(many, 80, 24)
    left = re.search(r"\.\.\. and (\d+) more contrasts", shown)
    assert left
    names = [line.split()[0] for line in shown.split("\n\n")[1].splitlines()[1:]]
    assert int(left[1]) + len(names) == len(many.contrasts) == 20
    assert len(text(many, 80, 24).splitlines()) <= 24
    assert "more contrast" not in text(many, 80, 100)


def test_a_study_without_contrasts_or_results_is_still_a_report() -> None:
    every = frozenset((arm["name"], 1, "xnli") for arm in fixed_arms())
    empty = report(seeds=(1,), tasks=("xnli",), contrasts=(), holes=every)
    for view in VIEWS.values():
        assert view(empty)
    assert "0 of 5 results are there" in markdown(empty)
    assert "Incomplete: 0 of 5 results." in text(empty)


def fixed_arms() -> tuple[dict[str, object], ...]:
    from tests.reports import ARMS

    return ARMS


def test_names_are_text_in_markdown() -> None:
    document = markdown(evil())
    assert "\x1b" not in document
    assert "\u202e" not in document
    assert re.findall(r"(?<!\\)<", document) == [], "no tag, nothing that begins one"
    table = [line for line in document.splitlines() if line.startswith("| ")]
    assert all(re.search(r"(?<!\\)\|$", line) for line in table)


SPECIAL = r"a_b % # $ ~ ^ \ { } & \input{x} [y] — 中 ‡ <>"


def test_names_are_text_in_latex() -> None:
    assert escape("a_b%#$~^\\{}&") == (r"a\_b\%\#\$\textasciitilde{}\textasciicircum{}\textbackslash{}\{\}\&")
    assert escape("-1.5 to +2.0") == r"$-1.5$ to $+2.0$"
    assert escape("tydiqa@ko-2") == "tydiqa@ko{-}2", "a name is no figure"
    assert escape("-") == "--"


@given(st.text())
def test_any_name_is_one_line_of_text(name: str) -> None:
    source = escape(name)
    assert source.isascii()
    assert source.isprintable()
    known = re.sub(r"\\[{}&%#$_]|\\text[a-z]+\{\}|\{U\+[0-9A-F]{4,6}\}|\{[-\[\]]\}|\$[+-][\d.]+\$", "", source)
    assert not set(known) & set("\\{}$&#%_^~"), "nothing is left that TeX obeys"
    written = Table(title=name, head=(name,), rows=((name,),))
    lines = table(written).splitlines()
    assert len(lines) == 5
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[4])) == 2, "a cell stays a cell"


@pytest.mark.parametrize("which", [fixed, evil, trained])
def test_latex_is_whole(which: object, tmp_path: Path) -> None:
    """Braces, environments and columns agree; where there is a TeX, it compiles without a character lost or a line too
    wide by more than the longest names make it."""
    found: Report = which()  # type: ignore[operator]
    source = latex(replace(found, grid=SPECIAL), "phang2020")
    assert source.isascii()
    bare = re.sub(r"\\[\\{}&%#$_]", "", source)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    for name in set(re.findall(r"\\begin\{(\w+)\}", source)):
        assert source.count(rf"\begin{{{name}}}") == source.count(rf"\end{{{name}}}")
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", source, re.DOTALL):
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert lines
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(columns)}
    if tex := shutil.which("pdflatex"):
        (tmp_path / "report.tex").write_text(source, encoding="ascii")
        command = [tex, "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode("latin-1")[-2000:]
        assert b"Missing character" not in done.stdout


def test_over_the_tasks_the_kinds_of_language_and_what_is_no_retrieval_stand_apart() -> None:
    found = fixed()
    (several,) = (one for one in found.contrasts if one.name == "several")
    assert several.without_retrieval is not None
    expected = {
        "without retrieval": several.without_retrieval,
        **{f"{WORDS[kind]}, of tasks with several kinds": f for kind, f in several.overall_by_kind.items()},
    }
    assert len(expected) == 3
    shown = {row[1]: row for row in rows(markdown(found), f"several: {SEVERAL} against none, zero-shot")}
    for name, figure in expected.items():
        assert shown[name][2] == f"{figure.value:+.1f}"
    drawn = figures.forest(several, "x", "zero-shot")
    assert "without retrieval" in drawn
    table = [row for row in csv.DictReader(io.StringIO(contrasts_csv(found).decode())) if row["contrast"] == "several"]
    (apart,) = (row for row in table if row["level"] == "without-retrieval")
    assert float(apart["difference"]) == several.without_retrieval.value
    by_kind = {row["kind"]: float(row["difference"]) for row in table if row["level"] == "overall" and row["kind"]}
    assert by_kind == {kind: figure.value for kind, figure in several.overall_by_kind.items()}


def test_seeds_stand_beside_every_table_of_scores() -> None:
    notes = markdown(fixed()).replace("\n\n", "\n").splitlines()
    assert "Means over 5 seeds, unless said otherwise." in notes
    assert "Means over 5 seeds." in notes, "XTREME's averages"
    assert "ours, no intermediate: this study, mean over 5 seeds." in notes
    assert any(note.startswith("Layer 0") and "1 run, no seed (none), 5 seeds (mnli)" in note for note in notes)


def test_published_figures_are_in_every_view_unasked() -> None:
    """The reduce stage names no study, and its report has them all the same."""
    for view in (markdown, latex):
        document = view(fixed())
        assert "X-STILTs" in document or "X{-}STILTs" in document
        assert "RemBERT" in document
        assert view(fixed(), "phang2020").count("RemBERT") < document.count("RemBERT"), "of one study, its rows alone"
    assert [
        row[0] for row in rows(markdown(fixed()), "Published results, and ours with the difference, zero-shot")
    ] == [*fixed().tasks]


def test_a_long_table_is_set_in_parts_that_hold_together(tmp_path: Path) -> None:
    """A study of many arms and contrasts: no part is longer than a page, no row is lost or away from the one that it
    belongs to, and TeX is not asked to hold more floats than it can."""
    sub = frozenset(at for at in range(100) if at % 3)
    long = Table(
        title="T", head=("a", "b"), rows=tuple((f"r{at}", str(at)) for at in range(100)), sub=sub, notes=("n",)
    )
    parts = list(floats(long, "caption", "t"))
    assert len(parts) == 3
    assert re.findall(r"r(\d+) &", "".join(parts)) == [str(at) for at in range(100)]
    assert all(len(re.findall(r"r\d+ &", part)) <= MOST_ROWS for part in parts)
    assert all(not re.search(r"midrule\n\\quad", part) for part in parts)
    assert [part.count("parbox") for part in parts] == [0, 0, 1], "notes below the last"
    assert all(f"Part {at} of 3" in part for at, part in enumerate(parts, 1))
    found = large()
    source = latex(replace(found, contrasts=found.contrasts * 3, answer=replace(found.answer, sentences=())))
    assert source.count(r"\begin{table}") > 60
    if tex := shutil.which("pdflatex"):
        (tmp_path / "report.tex").write_text(source, encoding="ascii")
        command = [tex, "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode("latin-1")[-2000:]
        assert b"Float too large" not in done.stdout


def test_csv_has_every_figure_in_full_and_no_formula() -> None:
    found = fixed()
    table = list(csv.DictReader(io.StringIO(contrasts_csv(found).decode())))
    assert tuple(table[0]) == COLUMNS
    for one in found.contrasts:
        mine = [row for row in table if row["contrast"] == one.name]
        assert {row["holm"] for row in mine} - {""} == ({repr(one.holm)} if one.holm is not None else set())
        for task in one.tasks:
            by = {row["language"]: row for row in mine if (row["task"], row["level"]) == (task.task, "language")}
            assert set(by) == {language.language for language in task.languages}
            for language in task.languages:
                row = by[language.language]
                assert float(row["difference"]) == language.difference.value
                assert float(row["arm_score"]) - float(row["against_score"]) == pytest.approx(float(row["difference"]))
    wild = replace(found.contrasts[0], name="=HYPERLINK(1)", arm="@x", against="+1", model="-m")
    (row, *_) = csv.DictReader(io.StringIO(contrasts_csv(replace(found, contrasts=(wild,))).decode()))
    assert [row[name] for name in ("contrast", "arm", "against", "model")] == ["'=HYPERLINK(1)", "'@x", "'+1", "'-m"]
    assert float(row["difference"]) == wild.overall.value  # type: ignore[union-attr]
