"""The canonical line, a listing's summary, and Parquet that keeps both."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.published import write
from xtl.errors import Corrupt
from xtl.tasks import TASKS
from xtl.tasks.canonical import Tally, line, read_parquet, summarise, write_parquet
from xtl.tasks.formats.lengths import shape

_EXAMPLES = {
    "pair": [
        {"id": "1", "text_a": " a\u2028", "text_b": "😀", "label": "x"},
        {"id": "1", "text_a": "", "text_b": "", "label": None},
    ],
    "tagging": [{"id": "0", "tokens": ["a", ""], "tags": ["O", "O"]}, {"id": "1", "tokens": ["b"], "tags": ["B-PER"]}],
    "span": [
        {
            "id": "q",
            "question": "Q",
            "context": "c c",
            "answers": [{"text": "c", "start": 2}, {"text": "c", "start": 0}],
        },
        {"id": "r", "question": "Q", "context": "c", "answers": []},
    ],
    "choice": [
        {"id": "1", "context": "", "question": "", "choices": [" a", "b"], "label": 1},
        {"id": "2", "context": "", "question": "", "choices": ["a"], "label": None},
    ],
    "sentence": [{"id": "a", "text": "\x00\x1f\x7f"}],
    "gold": [{"source": "a", "target": "b"}],
    "text": [{"id": "0", "text": "x"}],
}


def test_a_line_is_sorted_compact_utf8() -> None:
    example = {"text_b": 'ü"\n', "text_a": "\u2028😀", "label": None, "id": "1"}
    assert line(example) == '{"id":"1","label":null,"text_a":"\u2028😀","text_b":"ü\\"\\n"}\n'.encode()


@pytest.mark.parametrize(
    ("form", "labels"),
    [
        ("pair", {"null": 1, "x": 1}),
        ("tagging", {"B-PER": 1, "O": 2}),
        ("span", {"answerable": 1, "impossible": 1}),
        ("choice", {"1": 1, "null": 1}),
        ("sentence", {}),
        ("gold", {}),
        ("text", {}),
    ],
)
def test_parquet_keeps_examples_types_and_digest(tmp_path: Path, form, labels) -> None:
    examples = _EXAMPLES[form]
    summary = write_parquet(iter(examples), form, tmp_path / "f.parquet")
    shapes = [shape(example, form) for example in examples]
    means = [mean(one[place] for one in shapes if place < len(one)) for place in range(max(map(len, shapes)))]
    assert summary.pop("characters") == pytest.approx(means, abs=0.5)
    assert summary == {
        "examples": len(examples),
        "labels": labels,
        "sha256": hashlib.sha256(b"".join(map(line, examples))).hexdigest(),
    }
    back = read_parquet(tmp_path / "f.parquet")
    assert list(back) == examples == back[:] == [back[index] for index in range(len(back))]
    assert back[-1] == examples[-1]
    with pytest.raises(IndexError):
        back[len(examples)]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=5))
def test_any_text_comes_back(tmp_path_factory, texts) -> None:
    path = tmp_path_factory.mktemp("parquet") / "f.parquet"
    examples = [{"id": str(index), "text": text} for index, text in enumerate(texts)]
    write_parquet(examples, "text", path)
    assert list(read_parquet(path)) == examples


def test_an_empty_listing_is_a_whole_file(tmp_path: Path) -> None:
    assert write_parquet([], "span", tmp_path / "f.parquet")["examples"] == 0
    assert len(read_parquet(tmp_path / "f.parquet")) == 0


def test_the_same_examples_are_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from xtl.tasks.canonical import write_parquet\n"
        "rows = ({'id': str(i), 'text': 'x' * (i % 7)} for i in range(20_000))\n"
        "write_parquet(rows, 'text', pathlib.Path(sys.argv[1]))\n"
    )
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert len(read_parquet(tmp_path / "a")) == 20_000


def test_a_cut_file_is_corrupt_and_named(tmp_path: Path) -> None:
    write_parquet(_EXAMPLES["text"], "text", tmp_path / "f.parquet")
    whole = (tmp_path / "f.parquet").read_bytes()
    (tmp_path / "f.parquet").write_bytes(whole[:-20])
    with pytest.raises(Corrupt, match=r"f\.parquet is not a whole Parquet file"):
        read_parquet(tmp_path / "f.parquet")


def test_many_rows_stream_in_bounded_memory(tmp_path: Path) -> None:
    """150,000 rows of 1 kB, 150 MB, within 100 MB over the start: rows are neither read nor written as a whole."""
    row = "\t".join(["{}", "a " * 250, "b " * 250, "neutral"])
    with (tmp_path / "train.tsv").open("w") as stream:
        stream.write("pairID\tsentence1\tsentence2\tgold_label\n")
        stream.writelines(row.format(number) + "\n" for number in range(150_000))
    write(tmp_path, "glue/MNLI/README", "")
    (tmp_path / "train.tsv").rename(tmp_path / "glue/MNLI/train.tsv")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "import pyarrow.parquet\n"
        "from xtl.tasks import TASKS; from xtl.tasks.canonical import write_parquet\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "[train] = TASKS['mnli'].listings(Path(sys.argv[1]))\n"
        "print(write_parquet(train.read(), 'pair', Path(sys.argv[2]))['examples'], peak() - before)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "f.parquet")]
    rows, kilobytes = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert rows == 150_000
    assert kilobytes < 100_000


def test_summaries_agree_with_a_tally(tmp_path: Path) -> None:
    write(tmp_path, "mlm/en.txt", "a\nb\n")
    [listing] = TASKS["mlm"].listings(tmp_path)
    tally = Tally("text")
    for example in ({"id": "0", "text": "a"}, {"id": "1", "text": "b"}):
        tally.add(example)
    assert summarise(listing) == tally.summary()
