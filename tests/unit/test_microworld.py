"""The micro-world's files: read without complaint, equal in every process, balanced, true to the published formats."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.microworlds import SMALL, Read, digests, everything
from xtl import microworld
from xtl.microworld import reading, tagging
from xtl.microworld.languages import LANGUAGES
from xtl.tasks import TASKS

LACKING = {"anli_plus", "ccg"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("microworld")
    microworld.write(made, size=SMALL)
    return made


@pytest.fixture(scope="module")
def read(folder: Path) -> Read:
    return everything(folder)


def test_all_data_sets_are_read(read: Read) -> None:
    assert set(read) == set(TASKS) - LACKING
    assert len(LANGUAGES) >= 6
    for key in ("xnli", "panx", "mlm"):
        assert set(read[key]) == set(LANGUAGES)
    for key in ("qqp", "csqa", "squad_v1"):
        assert set(read[key]) == set(LANGUAGES), "English and its translations"
    assert {code for code in read["tydiqa"] if "train" in read["tydiqa"][code]} == {"en", "ru", "sw"}
    assert all(set(splits) == {"dev.en", f"dev.{code}", "dev.gold", "test.en", f"test.{code}", "test.gold"}
               for code, splits in read["bucc2018"].items())  # fmt: skip


def test_bytes_are_equal_in_every_process(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.microworlds import SMALL\n"
        "from xtl.microworld import write; write(Path(sys.argv[1]), size=SMALL)"
    )
    for hashing in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hashing}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / hashing)], check=True, env=env)
        assert digests(tmp_path / hashing) == digests(folder)
    microworld.write(tmp_path / "other", seed=2, size=SMALL)
    other = digests(tmp_path / "other")
    assert set(other) == set(digests(folder))
    assert not set(other.values()) & set(digests(folder).values()), "another seed, other examples in every file"


@pytest.mark.parametrize("key", ["xnli", "pawsx", "mnli", "qqp", "hellaswag", "cosmosqa", "csqa"])
def test_labels_are_balanced(read: Read, key: str) -> None:
    for language, splits in read[key].items():
        for split, examples in splits.items():
            counts = Counter(example["label"] for example in examples)
            assert max(counts.values()) - min(counts.values()) <= 1, f"{key} {language} {split}: {counts}"
            assert len(counts) == (len(examples[0]["choices"]) if "choices" in examples[0] else len(TASKS[key].labels))


@pytest.mark.parametrize("key", ["xnli", "pawsx", "xquad", "mlqa"])
def test_test_sets_are_parallel(read: Read, key: str) -> None:
    """The same event, asked or told in every language: equal labels, and answers to the same question."""
    sides = [splits["test"] for splits in read[key].values()]
    for together in zip(*sides, strict=True):
        assert len({example["id"] for example in together}) == 1
        assert len({example.get("label") for example in together}) == 1


def test_an_answer_stands_once_in_its_text() -> None:
    for language in LANGUAGES.values():
        for asked in reading.questions(Random(5), 200):
            row = asked.row(language, "x")
            (answer,) = row["answers"]
            context = asked.context(language)
            assert context[answer["answer_start"] :].startswith(answer["text"])
            told = context.split(". ")[0]
            assert answer["answer_start"] < len(told), "in the event, not in what is told of another thing"
            assert f" {told.lower()} ".replace(",", " ").count(f" {answer['text'].lower()} ") == 1


def test_impossible_questions_ask_for_what_is_not_told(read: Read) -> None:
    examples = read["squad_v2"]["en"]["train"]
    impossible = [example for example in examples if not example["answers"]]
    assert len(impossible) * 3 == len(examples)
    for example in impossible:
        first = example["context"].split(".")[0]
        assert not any(city in first for city in LANGUAGES["en"].cities.values())


def test_contractions_are_one_token(read: Read, folder: Path) -> None:
    for code, form, parts in (("de", "am", "an\t_\tADP"), ("fr", "au", "à\t_\tADP")):
        source = "".join(path.read_text() for path in folder.glob(f"ud/*/{code}_*-ud-train.conllu"))
        assert f"\t{form}\t_" in source
        assert f"\t{parts}\t" in source
        tags = {
            tag
            for example in read["udpos"][code]["train"]
            for token, tag in zip(example["tokens"], example["tags"], strict=True)
            if token == form
        }
        assert tags == {"ADP"}


@pytest.mark.parametrize("code", tagging.TREEBANKS)
def test_trees_are_trees(code: str) -> None:
    for sentence in tagging.sentences(Random(3), 4 * len(tagging.KINDS)):
        rows = [line.split("\t") for line in tagging.conllu("x", sentence.chunks(LANGUAGES[code])).splitlines()]
        heads = {int(row[0]): int(row[6]) for row in rows if row[0].isdigit()}
        assert list(heads) == list(range(1, len(heads) + 1))
        assert sum(head == 0 for head in heads.values()) == 1
        for node in heads:
            seen = set()
            while node:
                assert node not in seen, "a circle"
                seen.add(node)
                node = heads[node]


def test_true_pairs_tell_the_same_and_others_have_none(read: Read) -> None:
    for code, splits in read["bucc2018"].items():
        foreign = {row["id"]: row["text"] for row in splits[f"test.{code}"]}
        english = {row["id"]: row["text"] for row in splits["test.en"]}
        gold = [(row["source"], row["target"]) for row in splits["test.gold"]]
        assert len(gold) == SMALL.mined
        assert len(foreign) == len(english) == 2 * SMALL.mined
        cities = LANGUAGES[code].cities
        translated = {city: cities[concept] for concept, city in LANGUAGES["en"].cities.items()}
        for source, target in gold:
            (city,) = (name for name in translated if name in english[target])
            assert translated[city] in foreign[source]
