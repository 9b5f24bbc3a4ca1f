"""The files of XTREME's submission layout, read as XTREME's evaluator reads them, and written.

    FOLDER/TASK/test-LANG.tsv    xnli: a label word a line; pawsx: 0 or 1; tagging: a tag a line, a blank line after
                                 each sentence; bucc2018: source id, tab, English id; tatoeba: the 0-based index of the
                                 foreign sentence for each (sorted) English one
    FOLDER/TASK/test-LANG.json   QA: id to answer string in predictions, SQuAD's form in labels

Reading keeps the evaluator's habits, for its figures depend on them: lines end at LF, CR LF or CR, white space at both
ends goes, blank lines count (as a label, as a pair, as the end of a sentence), a byte order mark is part of the first
label. Where the evaluator would die, DataError names file and line. Walking folders is `evaluator.py`'s part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xtl.errors import DataError, UserError
from xtl.scoring.items import Question, answers_by_id, gold_of, outcome_of

Sentence = list[str]


def file_name(task: str, language: str, split: str = "test") -> str:
    return f"{split}-{language}.{'json' if outcome_of(task) == 'qa' else 'tsv'}"


def read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(str(path), line, f"not UTF-8: byte 0x{data[error.start]:02x}") from None


def read_lines(path: Path) -> list[str]:
    """Every line, white space at both ends stripped; a last line end starts no further line."""
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.strip() for line in lines]


def read_sentences(path: Path) -> list[Sentence]:
    """Tags by sentence. Every blank line ends one, so two blank lines in a row make an empty sentence."""
    sentences: list[Sentence] = []
    current: Sentence = []
    for line in read_lines(path):
        if line:
            current.append(line)
        else:
            sentences.append(current)
            current = []
    return [*sentences, current] if current else sentences


def read_pairs(path: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split("\t")) for line in read_lines(path)]


def _read_json(path: Path) -> Any:
    text = read_text(path)
    if text.startswith("\ufeff"):
        raise DataError(str(path), 1, "starts with a byte order mark, which JSON does not allow: save it without")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(str(path), error.lineno, f"not JSON: {error.msg} at column {error.colno}") from None
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number too long
        raise DataError(str(path), 1, f"not an answer file: {error}") from None
    return value["data"] if isinstance(value, dict) and "data" in value else value


def read_answers(path: Path) -> dict[str, Any]:
    """id to answer. What an answer holds is checked against the questions: see `check_answers`."""
    value = _read_json(path)
    if not isinstance(value, dict):
        raise DataError(str(path), 1, f"a JSON {type(value).__name__}, expected an object of question id to answer")
    return value


def check_answers(path: Path, gold: Path, answers: Mapping[str, Any], questions: Sequence[Question]) -> None:
    """DataError for an answered question whose answer is no string, or which has no gold answer to be held against."""
    for identifier, golds in questions:
        if identifier not in answers:
            continue
        if not isinstance(answers[identifier], str):
            raise DataError(str(path), _shown(identifier), f"the answer is {answers[identifier]!r}, expected a string")
        if not golds or not all(isinstance(text, str) for text in golds):
            raise DataError(str(gold), _shown(identifier), f"the gold answers are {golds!r}, expected one text or more")


def read_questions(path: Path) -> list[Question]:
    """A label file of QA: each question's id and gold answers, in file order."""
    value = _read_json(path)
    questions: list[Question] = []
    try:
        for article in value:
            for paragraph in article["paragraphs"]:
                for entry in paragraph["qas"]:
                    questions.append((entry["id"], [answer["text"] for answer in entry["answers"]]))
    except (KeyError, TypeError) as error:
        after = f"after question {questions[-1][0]!r}" if questions else "at its first question"
        what = f"not in SQuAD's form {after}: {type(error).__name__} {error}"
        raise DataError(str(path), questions[-1][0] if questions else 1, what) from None
    for identifier, _ in questions:
        if not isinstance(identifier, str):
            raise DataError(str(path), 1, f"the question id {identifier!r} is not a string")
    if not questions:
        raise DataError(str(path), 1, "no questions in it")
    return questions


def write_predictions(
    folder: Path,
    task: str,
    language: str,
    predictions: Sequence[Any] | Mapping[str, str],
    *,
    examples: Sequence[Mapping[str, Any]] = (),
    split: str = "test",
) -> Path:
    """Write one language's file, and its folder; the same predictions give the same bytes. predictions are as for
    `score_items`; a QA sequence needs its examples. Raises ValueError for a line that would not be read back."""
    kind = outcome_of(task)
    path = folder / task / file_name(task, language, split)
    if kind == "qa":
        answers = predictions if isinstance(predictions, Mapping) else answers_by_id(examples, predictions)
        text = json.dumps(answers, indent=1) + "\n"
    elif kind in ("spans", "tokens"):
        text = "".join("".join(f"{_line(tag)}\n" for tag in tags) + "\n" for tags in predictions)
    elif kind == "pairs":
        text = "".join(f"{_line(pair[0])}\t{_line(pair[1])}\n" for pair in predictions)
    else:
        text = "".join(f"{_line(label)}\n" for label in predictions)
    return _write(path, text)


def write_labels(
    folder: Path, task: str, language: str, examples: Sequence[Mapping[str, Any]], *, split: str = "test"
) -> Path:
    """Write one language's label file from canonical examples (`score_items` says which), for `xtl score`."""
    if outcome_of(task) != "qa":
        return write_predictions(folder, task, language, gold_of(task, examples), split=split)
    paragraphs = [{"context": one["context"], "qas": [_squad_question(one)]} for one in examples]
    text = json.dumps({"data": [{"title": task, "paragraphs": paragraphs}], "version": "1.1"}) + "\n"
    return _write(folder / task / file_name(task, language, split), text)


def _squad_question(example: Mapping[str, Any]) -> dict[str, Any]:
    answers = [{"answer_start": answer["start"], "text": answer["text"]} for answer in example["answers"]]
    return {"id": example["id"], "question": example["question"], "answers": answers}


def _shown(identifier: str) -> str:
    return identifier if identifier.isprintable() else ascii(identifier)


def _line(value: object) -> str:
    text = str(value)
    if not text or text != text.strip() or any(mark in text for mark in "\t\r\n"):
        raise ValueError(f"{value!r} cannot stand on a line of a submission file")
    return text


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return path
