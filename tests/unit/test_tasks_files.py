"""Lines, TSV, CSV and JSON lines as CANON's rules 5 to 9 have them, and the complaints that name file and line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.published import write
from xtl.errors import DataError, UserError
from xtl.tasks.formats.csvfile import csv_rows
from xtl.tasks.formats.files import Dropped, Source, document, jsonl, lines, tsv

# Characters that some notion of "line" or "white space" would eat.
_ODD = "\u2028\u2029\x85\x0b\x0c\x1c\r\u00a0\u200b\u200c\ufeff\"'\\ "


def _source(folder: Path, content: str | bytes, name: str = "f.tsv") -> Source:
    write(folder, name, content)
    return Source(folder, name)


@given(st.lists(st.text(st.sampled_from("ab" + _ODD)), max_size=6), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_line_ends_at_lf_and_nowhere_else(tmp_path_factory, texts, end, last) -> None:
    folder = tmp_path_factory.mktemp("lines")
    # A CR at a line's end is part of the line end, and a BOM at the start is none of the text: write none there.
    texts = [text.rstrip("\r").lstrip("\ufeff") for text in texts]
    content = end.join(texts) + (end if last and texts else "")
    found = list(lines(_source(folder, content)))
    assert [text for _, text in found] == [text for text in texts if text]
    assert [number for number, _ in found] == [number for number, text in enumerate(texts, start=1) if text]


def test_one_cr_goes_and_one_bom(tmp_path: Path) -> None:
    assert list(lines(_source(tmp_path, b"\xef\xbb\xbf\xef\xbb\xbfa\r\r\n\rb\nc\r"))) == [
        (1, "\ufeffa\r"),
        (2, "\rb"),
        (3, "c"),
    ]


@given(
    st.lists(
        st.tuples(*[st.text(st.sampled_from("xy" + _ODD.replace("\r", "").replace("\ufeff", "")))] * 3), max_size=5
    )
)
def test_tsv_cells_are_text_between_tabs(tmp_path_factory, rows) -> None:
    folder = tmp_path_factory.mktemp("tsv")
    content = "c\ta\tb\n" + "".join("\t".join(row) + "\n" for row in rows)
    found = list(tsv(_source(folder, content), ("a", "b")))
    assert [(row.cells["c"], row.text("a"), row.text("b")) for row in found] == rows
    assert [row.index for row in found] == list(range(len(rows)))


def test_tsv_complains_of_columns_and_cells(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^f\.tsv:2: no column b"):
        list(tsv(_source(tmp_path, "\na\tc\n"), ("a", "b")))
    with pytest.raises(DataError, match=r"^f\.tsv:4: 3 cells where the header has 2$"):
        list(tsv(_source(tmp_path, "a\tb\n1\t2\n\n1\t2\t3\n"), ("a",)))
    with pytest.raises(DataError, match=r"^f\.tsv:1: the column a is there 2 times"):
        list(tsv(_source(tmp_path, "a\ta\n"), ("a",)))


def test_tsv_may_drop_ragged_rows_and_counts_them(tmp_path: Path) -> None:
    dropped = Dropped()
    found = list(tsv(_source(tmp_path, "a\tb\n1\n1\t2\n"), ("a",), ragged=dropped))
    assert [(row.index, row.line) for row in found] == [(1, 3)]
    assert dropped == {"cells": 1}


@given(st.lists(st.tuples(*[st.text(st.sampled_from('a,"\n' + _ODD + "\t"))] * 2), max_size=5), st.booleans())
def test_csv_fields_come_back_as_they_went(tmp_path_factory, rows, crlf) -> None:
    folder = tmp_path_factory.mktemp("csv")
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n" if crlf else "\n")
    writer.writerows([("a", "b"), *rows])
    found = list(csv_rows(_source(folder, stream.getvalue(), "f.csv"), ("a", "b")))
    assert [(row.text("a"), row.text("b")) for row in found] == rows


def test_csv_keeps_line_breaks_and_names_the_row_that_is_broken(tmp_path: Path) -> None:
    good = 'id,a\r\n1,"x\r\ny\n\nz"\r\n\r\n2,"say ""hi"", he said"\r\n'
    found = list(csv_rows(_source(tmp_path, good, "f.csv"), ("id", "a")))
    assert [(row.line, row.text("a")) for row in found] == [(2, "x\r\ny\n\nz"), (7, 'say "hi", he said')]
    for bad, line in (('id,a\n1,"x\ny",z\n', 2), ('id,a\n1,2\n3,"x\ny\n', 3), ('id,a\n1,"x"y\n', 2)):
        with pytest.raises(DataError, match=rf"^f\.csv:{line}: "):
            list(csv_rows(_source(tmp_path, bad, "f.csv"), ("id", "a")))
    with pytest.raises(DataError, match=r"^f\.csv:3: byte 2 of the line, 0xff, is not UTF-8"):
        list(csv_rows(_source(tmp_path, b'id,a\n1,2\n3,"x\ny\xff"\n', "f.csv"), ("id", "a")))


def test_csv_fields_may_be_long(tmp_path: Path) -> None:
    found = list(csv_rows(_source(tmp_path, f'a\n"{"x" * 200_000}"\n', "f.csv"), ("a",)))
    assert len(found[0].text("a")) == 200_000


@pytest.mark.parametrize(
    "content",
    [b'{"a": 1', b"[1]", b"nonsense", b'{"a": NaN}', b'{"a": "\\ud800"}', b"\xff", b"   ", b"[" * 100_000],
    ids=["cut", "list", "word", "nan", "surrogate", "bytes", "spaces", "deep"],
)
def test_jsonl_complains_with_the_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"^f\.jsonl:3: "):
        list(jsonl(_source(tmp_path, b'{"a": 1}\n\n' + content + b"\n", "f.jsonl")))


def test_jsonl_reads_escapes_and_odd_line_ends(tmp_path: Path) -> None:
    rows = [{"a": "\u2028\x85 x\r"}, {"a": "😀"}]
    text = json.dumps(rows[0], ensure_ascii=False) + "\r\n" + json.dumps(rows[1]) + "\r"
    found = list(jsonl(_source(tmp_path, text, "f.jsonl")))
    assert [row.cells for row in found] == rows


def test_a_label_is_in_every_row_or_in_none(tmp_path: Path) -> None:
    whole = _source(tmp_path, '{"a":"1"}\n{"a":"2"}\n', "f.jsonl")
    assert [row.label("l", {"x": "x"}) for row in jsonl(whole, label="l")] == [None, None]
    for text in ('{"l":"x"}\n{"a":"2"}\n', '{"a":"2"}\n{"l":"x"}\n'):
        with pytest.raises(DataError, match=r"^f\.jsonl:2: l is (missing|there)"):
            list(jsonl(_source(tmp_path, text, "f.jsonl"), label="l"))


def test_documents_find_the_line_of_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^f\.json:2: byte 0xe9 is not UTF-8"):
        document(_source(tmp_path, b'{"a":\n"caf\xe9"}', "f.json"))
    with pytest.raises(DataError, match=r"^f\.json:3: not JSON"):
        document(_source(tmp_path, '{"a":\n1\n,}', "f.json"))
    assert document(_source(tmp_path, b"\xef\xbb\xbf{}", "f.json")) == {}


def test_cells_are_checked_and_complaints_hold_no_terminal_escapes(tmp_path: Path) -> None:
    source = _source(tmp_path, '{"id": 7, "b": true, "t": "\\u001b[31m", "n": null}\n', "f.jsonl")
    row = next(jsonl(source))
    assert row.id("id") == "7"
    assert row.text("t") == "\x1b[31m"
    for call in (lambda: row.id("b"), lambda: row.text("n"), lambda: row.text("gone"), lambda: row.position("id", 4)):
        with pytest.raises(DataError, match=r"^f\.jsonl:1: "):
            call()
    with pytest.raises(DataError) as caught:
        row.bad(f"what {row.text('t')}")
    assert str(caught.value) == r"f.jsonl:1: what \x1b[31m"


def test_a_file_that_goes_away_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*gone\.tsv: No such file"):
        list(lines(Source(tmp_path, "gone.tsv")))
