"""`xtl score` as a process: its JSON, its table, and what it says about files that XTREME's evaluator would die of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples import DATA, needs_samples

MOCK = DATA / "xtreme_mock"


def xtl_score(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100"}
    command = [sys.executable, "-m", "xtl.cli.app", "score", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


class Folders:
    """A predictions and a labels folder; `put` writes one file into one or both."""

    def __init__(self, root: Path) -> None:
        self.predictions, self.labels = root / "predictions", root / "labels"
        self.predictions.mkdir()
        self.labels.mkdir()

    def put(self, name: str, predicted: str | bytes | None, gold: str | bytes | None) -> Folders:
        for folder, content in ((self.predictions, predicted), (self.labels, gold)):
            if content is not None:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def score(self, *options: str) -> subprocess.CompletedProcess[str]:
        return xtl_score(self.predictions, self.labels, *options)

    def figures(self, task: str, language: str) -> dict[str, float]:
        done = self.score("-o", "json")
        assert done.returncode == 0, done.stderr
        figures: dict[str, float] = json.loads(done.stdout)["tasks"][task]["languages"][language]
        return figures

    def refusal(self) -> str:
        done = self.score()
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("error: ")
        return done.stderr


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def squad(**answers: list[str]) -> str:
    entries = [{"id": name, "answers": [{"text": text} for text in texts]} for name, texts in answers.items()]
    return json.dumps({"data": [{"paragraphs": [{"qas": entries}]}], "version": "1.1"})


@needs_samples
def test_the_whole_mock_submission() -> None:
    done = xtl_score(MOCK / "predictions", MOCK / "labels", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    scored = json.loads(done.stdout)
    assert set(scored) == {"tasks", "groups", "overall"}
    assert scored["overall"] == pytest.approx(62.17319850507248, abs=1e-9)
    assert scored["tasks"]["udpos"]["score"] == pytest.approx(70.21746048354693, abs=1e-9)
    table = xtl_score(MOCK / "predictions", MOCK / "labels", "--languages")
    assert table.returncode == 0
    assert "33/33" in table.stdout
    assert "62.17" in table.stdout
    assert "partial" not in table.stdout


def test_a_partial_submission_says_so_and_has_no_overall_score(folders: Folders) -> None:
    folders.put("pawsx/test-de.tsv", "0\n1\n", "0\n0\n").put("xnli/test-en.tsv", "neutral\n", "neutral\n")
    scored = json.loads(folders.score("-o", "json").stdout)
    assert scored["overall"] is None
    assert scored["groups"] == {"classification": None, "structured": None, "qa": None, "retrieval": None}
    assert scored["tasks"]["pawsx"] == {
        "score": 50.0,
        "languages": {"de": {"accuracy": 50.0}},
        "partial": True,
        "missing": ["en", "es", "fr", "ja", "ko", "zh"],
    }
    shown = folders.score().stdout
    assert "1/7" in shown
    assert "50.00*" in shown
    assert "pawsx is partial, 1/7 languages: without en es fr ja ko zh" in shown
    assert "Tasks missing: udpos panx xquad mlqa tydiqa bucc2018 tatoeba" in shown
    assert "No overall score" in shown


def test_lines_are_read_as_the_evaluator_reads_them(folders: Folders) -> None:
    gold = "neutral\nneutral\nneutral\nneutral\n"
    folders.put("xnli/test-en.tsv", "neutral \r\n\tneutral\r\n\u3000neutral\r\nneutral", gold)
    assert folders.figures("xnli", "en") == {"accuracy": 100.0}
    folders.put("xnli/test-en.tsv", "neutral\rneutral\r\rNeutral", gold)
    assert folders.figures("xnli", "en") == {"accuracy": 50.0}
    folders.put("xnli/test-en.tsv", "\ufeffneutral\nneutral\nneutral\nneu\u2028tral\n", gold)
    assert folders.figures("xnli", "en") == {"accuracy": 50.0}


def test_a_blank_line_is_a_bucc_pair_and_pairs_are_sets(folders: Folders) -> None:
    folders.put("bucc2018/test-de.tsv", "a\t1\na\t1\nb\t2\n\n\n", "a\t1\nb\t3\n")
    assert folders.figures("bucc2018", "de") == pytest.approx({"f1": 40.0, "precision": 100 / 3, "recall": 50.0})
    folders.put("bucc2018/test-de.tsv", "", "a\t1\n")
    assert folders.figures("bucc2018", "de") == {"f1": 0.0, "precision": 0.0, "recall": 0.0}


def test_an_index_is_compared_as_text(folders: Folders) -> None:
    folders.put("tatoeba/test-jv.tsv", "3\n04\n", "3\n4\n")
    assert folders.figures("tatoeba", "jv") == {"accuracy": 50.0}


def test_a_last_sentence_needs_no_blank_line(folders: Folders) -> None:
    folders.put("panx/test-yo.tsv", "B-PER\nI-PER\n\nO", "B-PER\nI-PER\n \t\nB-LOC\n\n")
    assert folders.figures("panx", "yo") == pytest.approx({"f1": 200 / 3, "precision": 100.0, "recall": 50.0})


def test_sentences_out_of_step_are_scored_as_the_evaluator_does_and_warned_of(folders: Folders) -> None:
    folders.put("udpos/test-th.tsv", "X\n\nNOUN\n\nVERB\n\n", "X\n\nNOUN\nNOUN\n\nVERB\n\n")
    assert folders.figures("udpos", "th")["f1"] == pytest.approx(100 / 3)
    assert "test-th.tsv:3: warning: sentence 2 has 1 tags, its labels 2" in folders.score().stderr


def test_unanswered_questions_score_0_and_are_counted(folders: Folders) -> None:
    folders.put("xquad/test-zh.json", '{"data": {"b": "The end"}}', squad(a=["x"], b=["end", "x"]))
    assert folders.figures("xquad", "zh") == {"exact_match": 50.0, "f1": 50.0}
    assert "1 of 2 questions unanswered, which score 0; the first is 'a'" in folders.score().stderr


def test_mlqa_is_normalised_by_language(folders: Folders) -> None:
    for language in ("de", "es"):
        folders.put(f"mlqa/test-{language}.json", '{"a": "der Hund"}', squad(a=["Hund!"]))
    assert folders.figures("mlqa", "de") == {"exact_match": 100.0, "f1": 100.0}
    assert folders.figures("mlqa", "es") == pytest.approx({"exact_match": 0.0, "f1": 200 / 3})


def test_what_is_no_task_or_language_is_noted_and_ignored(folders: Folders) -> None:
    folders.put("xnli/test-en.tsv", "neutral\n", "neutral\n").put("xnli/test-xx.tsv", "neutral\n", "neutral\n")
    folders.put("pawx/test-en.tsv", "0\n", None).put("pawsx/test-en.tsv", "0\n", None)
    folders.put("panx/test-de.tsv", "O\n", None).put("panx/test-en.tsv", "O\n", "O\n")
    folders.put("evil\x1b[31m/test-en.tsv", "0\n", None).put(".git/config", "", None)
    done = folders.score("-o", "json")
    assert done.returncode == 0
    assert set(json.loads(done.stdout)["tasks"]) == {"xnli", "panx"}
    assert "no task 'pawx'; did you mean 'pawsx'?" in done.stderr
    assert "no file 'test-xx.tsv'; did you mean" in done.stderr
    assert "pawsx: not scored: there are no labels at" in done.stderr
    assert "test-de.tsv: not scored: there is no" in done.stderr
    assert ".git" not in done.stderr
    assert "\x1b" not in done.stderr


def test_all_files_that_cannot_be_scored_are_named_at_once(folders: Folders) -> None:
    folders.put("xnli/test-de.tsv", "neutral\n", "neutral\nneutral\n").put("xnli/test-en.tsv", "\n" * 3, "neutral\n")
    folders.put("xnli/test-fr.tsv", "", "").put("xnli/test-ru.tsv", b"neutral\nneu\xfftral\n", "neutral\n")
    folders.put("panx/test-de.tsv", "O\n\n\nO\n\nO\n", "O\n\nO\n").put("panx/test-en.tsv", "O\n\nO\n", "O\n")
    folders.put("mlqa/test-en.json", '{"a": \n}', squad(a=["x"])).put("mlqa/test-de.json", "[]", squad(a=["x"]))
    folders.put("mlqa/test-es.json", '{"a": 7}', squad(a=["x"])).put("mlqa/test-hi.json", "{}", '{"data": [{}]}')
    folders.put("mlqa/test-zh.json", "\ufeff{}", squad(a=["x"])).put("mlqa/test-vi.json", '{"a": "x"}', squad(a=[]))
    folders.put("xquad/test-en.json", "{}", squad()).put("xquad/test-de.json", "[" * 100_000, squad(a=["x"]))
    said = folders.refusal()
    for expected in (
        "xnli/test-de.tsv:2: 1 lines, expected 2 as in",
        "xnli/test-en.tsv:2: 3 lines, expected 1 as in",
        "xnli/test-fr.tsv:1: empty",
        "xnli/test-ru.tsv:2: not UTF-8: byte 0xff",
        "panx/test-de.tsv:3: 4 sentences, expected 2",
        "panx/test-en.tsv:3: 2 sentences, expected 1",
        "mlqa/test-en.json:2: not JSON",
        "mlqa/test-de.json:1: a JSON list, expected an object",
        "mlqa/test-es.json:a: the answer is 7, expected a string",
        "mlqa/test-hi.json:1: not in SQuAD's form at its first question: KeyError 'paragraphs'",
        "mlqa/test-zh.json:1: starts with a byte order mark",
        "mlqa/test-vi.json:a: the gold answers are [], expected one text or more",
        "xquad/test-en.json:1: no questions in it",
        "xquad/test-de.json:1: not an answer file",
    ):
        assert expected in said


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "strange"])
def test_folders_that_are_none(kind: str, folders: Folders, tmp_path: Path) -> None:
    folders.put("xnli/test-en.tsv", None, "neutral\n")
    expected = {"missing": "no such folder", "file": "not a folder", "empty": "it holds no folder", "strange": "'xnl'"}
    if kind == "strange":
        folders.put("xnl/test-en.tsv", "neutral\n", None)
        assert "did you mean 'xnli'?" in folders.refusal()
    elif kind != "empty":
        folders.predictions.rmdir()
        if kind == "file":
            folders.predictions.write_text("")
    assert expected[kind] in folders.refusal()


def test_help_has_an_example() -> None:
    done = xtl_score("--help")
    assert done.returncode == 0
    assert "xtl score predictions/ labels/ -o json" in done.stdout
