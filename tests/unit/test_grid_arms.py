"""The grammar of task expressions, and expressions held against the data sets there are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.arms import Expression, Part, label, parse, part
from xtl.tasks import TASKS


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("mnli", Expression(task="mnli")),
        ("squad_v2", Expression(task="squad_v2")),
        ("xnli@de", Expression(task="xnli", languages=("de",))),
        ("xnli@sw+de+ru", Expression(task="xnli", languages=("sw", "de", "ru"))),
        ("mlm@all", Expression(task="mlm", languages=("all",))),
        ("mnli:1000", Expression(task="mnli", cap=1000)),
        ("tydiqa@ko:1625", Expression(task="tydiqa", languages=("ko",), cap=1625)),
    ],
)
def test_grammar(text: str, expression: Expression) -> None:
    assert parse(text) == expression


@pytest.mark.parametrize(
    "text",
    ["", " mnli", "mnli ", "MNLI", "mnli@", "mnli@+de", "mnli@de+", "mnli@de,fr", "mnli:", "mnli:-1", "mnli:1k",
     "mnli:1:2", "mnli@de@fr", "mnli@DE", "mnli:1@de", "@de", ":3", "mnli\n", "mnli:٣", "mnli:" + "9" * 13],
)  # fmt: skip
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ValueError, match="is no task: write TASK"):
        parse(text)


@given(st.text())
def test_any_text_parses_or_says_why(text: str) -> None:
    try:
        task = parse(text).task
    except ValueError as error:
        task, text = str(error), str(error)
    assert text.startswith(task)
    assert task.isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mnli", Part(task="mnli")),
        ("xnli", Part(task="xnli")),
        ("pawsx@all", Part(task="pawsx", languages=("de", "en", "es", "fr", "ja", "ko", "zh"), every=True)),
        ("xnli@sw+de:50", Part(task="xnli", languages=("de", "sw"), cap=50)),
        ("qqp@de+en", Part(task="qqp", languages=("en", "de"))),  # a translated copy that the user brings
        ("hellaswag@all", Part(task="hellaswag", every=True)),  # what is published, and that is English
    ],
)
def test_parts(text: str, expected: Part) -> None:
    assert part(text, TASKS) == expected


def test_every_task_that_can_be_an_intermediate_is_one_in_english() -> None:
    assert len([part(key, TASKS) for key, task in TASKS.items() if task.intermediate]) == 15


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("udpos@th", "'udpos@th': udpos has no 'th'; languages: af ar bg "),
        ("tydiqa@de+xx", "'tydiqa@de+xx': tydiqa has no 'de', 'xx'; languages: en ar bn fi id ko ru sw te"),
        ("qqp@no", "'qqp@no': qqp has no 'no'; languages: en "),
        ("xnli@all+de", "'xnli@all+de': xnli has no 'all'; languages: "),
        ("bucc2018", "bucc2018 has no training data; tasks: xnli "),
        ("mlqa", "mlqa has no training data of its own: it trains on squad_v1, write that; tasks: "),
        ("squad_v3", "'squad_v3' is no task, did you mean 'squad_v"),
    ],
)
def test_what_there_is_not(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        part(text, TASKS)


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [("none", "none"), ("squad_v2", "squad-v2"), ("xnli@de+ru", "xnli-de-ru"), ("tydiqa@ko:1625", "tydiqa-ko-1625")],
)
def test_label(spelling: str, expected: str) -> None:
    assert label(spelling) == expected
