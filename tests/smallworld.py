"""A data folder of a few dozen written sentences in the published formats, for tests of stages: a stage on it takes a
second beside torch's import."""

from __future__ import annotations

import json
from pathlib import Path

ANIMALS = {"en": ["dog", "cat", "horse", "bird"], "de": ["Hund", "Katze", "Pferd", "Vogel"]}
VERBS = {"en": ["sleeps", "eats", "runs", "waits"], "de": ["schläft", "frisst", "läuft", "wartet"]}
THE = {"en": "The", "de": "Das"}
LABELS = ("entailment", "neutral", "contradiction")


def sentences(language: str) -> list[str]:
    return [f"{THE[language]} {a} {v} now ." for a in ANIMALS[language] for v in VERBS[language]]


def pairs(language: str) -> list[tuple[str, str, str]]:
    """(text_a, text_b, label): the same sentence, another verb, another animal."""
    found = []
    for i, animal in enumerate(ANIMALS[language]):
        for j, verb in enumerate(VERBS[language]):
            first = f"{THE[language]} {animal} {verb}"
            others = (animal, VERBS[language][(j + 1) % 4]), (ANIMALS[language][(i + 1) % 4], verb)
            found.append((first, first, LABELS[0]))
            found += [(first, f"{THE[language]} {a} {v}", LABELS[k + 1]) for k, (a, v) in enumerate(others)]
    return found


def write(folder: Path) -> Path:
    """MNLI, XNLI in en and de, SQuAD and TyDiQA in English, Tatoeba in German."""
    header = "index\tpairID\tsentence1\tsentence2\tgold_label"
    rows = [f"{n}\tp{n}\t{a}\t{b}\t{label}" for n, (a, b, label) in enumerate(pairs("en"))]
    _write(folder / "glue/MNLI/train.tsv", [header, *rows])
    _write(folder / "glue/MNLI/dev_matched.tsv", [header, *rows[::4]])
    lines = ["language\tgold_label\tsentence1\tsentence2\tpairID"]
    for language in ("en", "de"):
        lines += [f"{language}\t{c}\t{a}\t{b}\t{n}" for n, (a, b, c) in enumerate(pairs(language))]
    _write(folder / "xnli/XNLI-1.0/xnli.test.tsv", lines)
    _write(folder / "xnli/XNLI-1.0/xnli.dev.tsv", lines[:1] + lines[1::3])
    _write(folder / "tatoeba/v1/tatoeba.deu-eng.deu", sentences("de"))
    _write(folder / "tatoeba/v1/tatoeba.deu-eng.eng", sentences("en"))
    for name in ("squad_v1.1/train-v1.1.json", "squad_v1.1/dev-v1.1.json"):
        _write(folder / name, [json.dumps({"version": "1.1", "data": [_article("", "q")]})])
    for split in ("train", "dev"):
        article = _article("", f"english-{split}")
        _write(
            folder / f"tydiqa/tydiqa-goldp-v1.1-{split}/tydiqa.goldp.en.{split}.json", [json.dumps({"data": [article]})]
        )
    return folder


def _article(title: str, prefix: str) -> dict[str, object]:
    paragraphs = []
    for n, sentence in enumerate(sentences("en")):
        animal = sentence.split()[1]
        answer = {"text": animal, "answer_start": sentence.index(animal)}
        question = {"id": f"{prefix}-{n}", "question": f"Who {sentence.split()[2]}?", "answers": [answer]}
        paragraphs.append({"context": sentence, "qas": [question]})
    return {"title": title, "paragraphs": paragraphs}


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
