"""The published files' oddities, data set by data set, on written lines; see test_data_golden for the real samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.published import find, question, read, squad, write
from xtl.errors import DataError
from xtl.tasks import TASKS

_XNLI = "language\tgold_label\tpairID\tsentence1\tsentence2\n"


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert [listing for task in TASKS.values() for listing in task.listings(tmp_path)] == []


def test_xnli_keeps_fifteen_languages_in_one_file(tmp_path: Path) -> None:
    write(tmp_path, "xnli/XNLI-1.0/xnli.dev.tsv", _XNLI + 'de\tneutral\t7\t"a \tb\u00a0\nfr\tentailment\t7\tc\td"\n')
    assert read(tmp_path, "xnli", "de", "dev") == [
        {"id": "7", "text_a": '"a ', "text_b": "b\u00a0", "label": "neutral"},
    ]
    assert read(tmp_path, "xnli", "fr", "dev")[0]["text_b"] == 'd"'
    assert read(tmp_path, "xnli", "sw", "dev") == []
    assert len(TASKS["xnli"].listings(tmp_path)) == 15


@pytest.mark.parametrize("row", ["xx\tneutral\t1\ta\tb", "fr\t-\t1\ta\tb", "fr\tcontradictory\t1\ta\tb", "fr\tneutral"])
def test_a_bad_row_of_any_language_stops_every_reading_of_xnli(tmp_path: Path, row: str) -> None:
    write(tmp_path, "xnli/XNLI-1.0/xnli.test.tsv", f"{_XNLI}de\tneutral\t7\ta\tb\n{row}\n")
    with pytest.raises(DataError, match=r"^xnli/XNLI-1\.0/xnli\.test\.tsv:3: "):
        read(tmp_path, "xnli", "de", "test")


def test_xnli_train_is_translated_and_borrows_english(tmp_path: Path) -> None:
    translated = "xnli/XNLI-MT-1.0/multinli/multinli.train"
    write(tmp_path, f"{translated}.de.tsv", "premise\thypo\tlabel\na\tb\tcontradictory\n\nc\td\tcontradiction\n")
    write(tmp_path, f"{translated}.en.tsv", "premise\thypo\tlabel\nnot\tread\tneutral\n")
    found = read(tmp_path, "xnli", "de")
    assert [(one["id"], one["label"]) for one in found] == [("0", "contradiction"), ("1", "contradiction")]
    assert ("en", "train") not in [(one.language, one.split) for one in TASKS["xnli"].listings(tmp_path)]
    write(tmp_path, "multinli_1.0/multinli_1.0_train.jsonl", json.dumps(_nli("p", "neutral")) + "\n")
    assert read(tmp_path, "xnli", "en") == read(tmp_path, "mnli", "en") != []
    assert find(tmp_path, "xnli", "en", "train").files == find(tmp_path, "mnli", "en", "train").files


def _nli(key: str, label: str) -> dict[str, str]:
    return {"pairID": key, "sentence1": "a", "sentence2": "b", "gold_label": label}


def test_glues_mnli_goes_before_the_authors_whole(tmp_path: Path) -> None:
    write(tmp_path, "multinli_1.0/multinli_1.0_dev_matched.jsonl", json.dumps(_nli("p", "neutral")))
    write(tmp_path, "multinli_1.0/multinli_1.0_dev_mismatched.jsonl", json.dumps(_nli("p", "neutral")))
    assert [one.split for one in TASKS["mnli"].listings(tmp_path)] == ["dev"]
    header = "label1\tsentence2\tpairID\tgold_label\tsentence1\n"
    write(tmp_path, "glue/MNLI/train.tsv", header + 'x\tb\t1e\t-\ta\nx\tb\t2c\tcontradiction\t"a\n')
    write(tmp_path, "glue/MNLI/test_matched.tsv", "pairID\tsentence1\tsentence2\n3\ta\tb\n")
    assert [one.split for one in TASKS["mnli"].listings(tmp_path)] == ["train", "test"]
    assert read(tmp_path, "mnli") == [{"id": "2c", "text_a": '"a', "text_b": "b", "label": "contradiction"}]
    assert find(tmp_path, "mnli", "en", "train").dropped == {}
    assert read(tmp_path, "mnli", "en", "test")[0]["label"] is None


def test_pawsx_keeps_ns_and_its_own_ids(tmp_path: Path) -> None:
    header = "id\tsentence1\tsentence2\tlabel\n"
    write(tmp_path, "paws-x/x-final/de/translated_train.tsv", header + "12\tNS\tNS\t0\n15\t a  b \tc\t1\n")
    write(tmp_path, "paws-x/x-final/de/train.tsv", header)
    write(tmp_path, "paws-x/x-final/en/train.tsv", header + "1\ta\tb\t2\n")
    assert [(one["id"], one["text_a"], one["label"]) for one in read(tmp_path, "pawsx", "de")] == [
        ("12", "NS", "0"),
        ("15", " a  b ", "1"),
    ]
    with pytest.raises(DataError, match=r'^paws-x/x-final/en/train\.tsv:2: label is "2", not one of: 0 1$'):
        read(tmp_path, "pawsx", "en")


def test_panx_cuts_at_the_first_colon(tmp_path: Path) -> None:
    text = "\n\nen::\tO\r\nen:a:b c\tB-PER\n\n\nen:''\tI-LOC\nen:\tO\nen:\u2028\tO"
    write(tmp_path, "panx/en/train", text)
    assert read(tmp_path, "panx") == [
        {"id": "0", "tokens": [":", "a:b c"], "tags": ["O", "B-PER"]},
        {"id": "1", "tokens": ["''", "", "\u2028"], "tags": ["I-LOC", "O", "O"]},
    ]


@pytest.mark.parametrize("line", ["en:a", "en:a\tO\tx", "a\tO", "en:a\tB-MISC", "en:a\t", " "])
def test_panx_complains(tmp_path: Path, line: str) -> None:
    write(tmp_path, "panx/en/dev", f"en:a\tO\n{line}\n")
    with pytest.raises(DataError, match=r"^panx/en/dev:2: "):
        read(tmp_path, "panx", "en", "dev")


def test_spans_count_code_points_and_keep_repeats(tmp_path: Path) -> None:
    asked = question("q1", 3, "b", is_impossible=False)
    asked["answers"] *= 2
    gone = question("q2", 0, "wrong", is_impossible=True, plausible_answers=[{"text": "x", "answer_start": 9}])
    write(tmp_path, "squad_v2.0/train-v2.0.json", "\ufeff" + squad(asked, gone, question("q3", None), context=" 😀 b "))
    found = read(tmp_path, "squad_v2")
    assert [one["answers"] for one in found] == [[{"start": 3, "text": "b"}] * 2, [], []]
    assert found[0]["context"] == " 😀 b "


@pytest.mark.parametrize(
    "asked",
    [
        question("q1", 0, "b"),
        question("q1", 0, ""),
        question("q1", -1, "b"),
        question("q1", 1.0, "b"),
        question("q1", True, "b"),
        question("q1", 1, None),
        {"id": "q1", "question": "Q?"},
        {"id": "q1", "answers": []},
        {"id": "q1", "question": "Q?", "answers": [], "is_impossible": 1},
        {"id": "q1", "question": "\ud800", "answers": []},
    ],
)
def test_a_question_that_is_malformed_is_named(tmp_path: Path, asked: dict) -> None:
    write(tmp_path, "squad_v1.1/dev-v1.1.json", squad(question("q0", 1, "b"), asked, context="ab"))
    with pytest.raises(DataError, match=r"^squad_v1\.1/dev-v1\.1\.json:q1: "):
        read(tmp_path, "squad_v1", "en", "dev")


def test_squads_frame_must_stand(tmp_path: Path) -> None:
    for text, where in (
        ("[]", "the file"),
        ('{"data":[{}]}', "article 0"),
        ('{"data":[{"paragraphs":[{"qas":[]}]}]}', "article 0, paragraph 0"),
        ('{"data":[{"paragraphs":[{"qas":[{}],"context":""}]}]}', "article 0, paragraph 0, question 0"),
    ):
        write(tmp_path, "squad_v1.1/dev-v1.1.json", text)
        with pytest.raises(DataError, match=rf"^squad_v1\.1/dev-v1\.1\.json:{where}: "):
            read(tmp_path, "squad_v1", "en", "dev")


def test_xquad_and_mlqa_borrow_squad_and_ignore_what_xtreme_does_not_use(tmp_path: Path) -> None:
    text = squad(question("q", 0, "a"), context="a")
    for name in (
        "squad_v1.1/train-v1.1.json",
        "squad_v1.1/dev-v1.1.json",
        "xquad/xquad.de.json",
        "xquad/xquad.ro.json",
        "mlqa/MLQA_V1/dev/dev-context-de-question-de.json",
        "mlqa/MLQA_V1/test/test-context-de-question-en.json",
    ):
        write(tmp_path, name, text)

    def listed(key: str) -> list[tuple[str, str]]:
        return [(one.language, one.split) for one in TASKS[key].listings(tmp_path)]

    assert listed("xquad") == [("en", "train"), ("en", "dev"), ("de", "test")]
    assert listed("mlqa") == [("en", "train"), ("de", "dev")]
    assert read(tmp_path, "xquad", "en", "dev") == read(tmp_path, "squad_v1", "en", "dev") != []


def test_tydiqas_language_is_in_the_id(tmp_path: Path) -> None:
    folder = "tydiqa/tydiqa-goldp-v1.1-train"
    mixed = squad(question("swahili-1", 0, "a"), question("english-2", 0, "a"), context="a</b>")
    write(tmp_path, f"{folder}/tydiqa.goldp.ko.train.json", mixed)
    write(tmp_path, f"{folder}/A.json", squad(question("english-0-1", 0, "a"), context="a"))
    write(tmp_path, f"{folder}/.hidden.json", "nonsense")
    assert [one["id"] for one in read(tmp_path, "tydiqa", "en")] == ["english-0-1", "english-2"]
    assert read(tmp_path, "tydiqa", "ko") == []
    assert find(tmp_path, "tydiqa", "ko", "train").count() == 0
    write(tmp_path, f"{folder}.json", squad(question("english-9", 0, "a"), context="a"))
    assert [one["id"] for one in read(tmp_path, "tydiqa", "en")] == ["english-9"]
    for bad in ("english", "thai-1", "-1"):
        write(tmp_path, f"{folder}.json", squad(question("english-9", 0, "a"), question(bad, 0, "a"), context="a"))
        with pytest.raises(DataError, match=rf"train\.json:{bad}: .*no language"):
            read(tmp_path, "tydiqa", "sw")


def test_bucc_splits_at_the_first_tab(tmp_path: Path) -> None:
    write(tmp_path, "bucc2018/zh-en.dev.zh", "zh-1\ta\tb \n\nzh-2\t\n")
    write(tmp_path, "bucc2018/zh-en.dev.gold", "zh-1\ten-5\r\n")
    write(tmp_path, "bucc2018/zh-en.training.zh", "zh-1\tnot XTREME's name\n")
    assert [(one.language, one.split) for one in TASKS["bucc2018"].listings(tmp_path)] == [
        ("zh", "dev.zh"),
        ("zh", "dev.gold"),
    ]
    assert read(tmp_path, "bucc2018", "zh", "dev.zh") == [{"id": "zh-1", "text": "a\tb "}, {"id": "zh-2", "text": ""}]
    assert read(tmp_path, "bucc2018", "zh", "dev.gold") == [{"source": "zh-1", "target": "en-5"}]
    write(tmp_path, "bucc2018/zh-en.dev.en", "en-1\ta\nen-2 b\n")
    with pytest.raises(DataError, match=r"^bucc2018/zh-en\.dev\.en:2: no tab"):
        read(tmp_path, "bucc2018", "zh", "dev.en")


def test_tatoeba_sorts_english_and_keeps_line_numbers(tmp_path: Path) -> None:
    write(tmp_path, "tatoeba/v1/tatoeba.cmn-eng.cmn", "\ufeff\u3000一 \n二\n\n四")
    write(tmp_path, "tatoeba/v1/tatoeba.cmn-eng.eng", "b \r\nB\n\u00a0a\n b\n")
    assert read(tmp_path, "tatoeba", "zh", "test.zh") == [
        {"id": "0", "text": "一"},
        {"id": "1", "text": "二"},
        {"id": "2", "text": ""},
        {"id": "3", "text": "四"},
    ]
    english = read(tmp_path, "tatoeba", "zh", "test.en")
    assert [(one["id"], one["text"]) for one in english] == [("1", "B"), ("2", "a"), ("0", "b"), ("3", "b")]


@pytest.mark.parametrize(("foreign", "english", "where"), [("a\nb\n", "a\n", "deu:2"), ("a\n", "a\n\nb", "eng:2")])
def test_tatoeba_names_the_first_line_without_a_partner(tmp_path: Path, foreign: str, english: str, where: str) -> None:
    write(tmp_path, "tatoeba/v1/tatoeba.deu-eng.deu", foreign)
    write(tmp_path, "tatoeba/v1/tatoeba.deu-eng.eng", english)
    for split in ("test.de", "test.en"):
        with pytest.raises(DataError, match=rf"^tatoeba/v1/tatoeba\.deu-eng\.{where}: no partner"):
            read(tmp_path, "tatoeba", "de", split)


def test_anli_plus_needs_all_five_parts_and_joins_them_in_order(tmp_path: Path) -> None:
    write(tmp_path, "multinli_1.0/multinli_1.0_dev_matched.jsonl", json.dumps(_nli("m", "neutral")))
    snli = "\n".join(json.dumps(_nli(key, label)) for key, label in (("s1", "-"), ("s2", "entailment")))
    write(tmp_path, "snli_1.0/snli_1.0_dev.jsonl", snli)
    row = {"uid": "r", "context": "a", "hypothesis": "b", "label": "c", "model_label": "e"}
    for number in (1, 2):
        write(tmp_path, f"anli/anli_v1.0/R{number}/dev.jsonl", json.dumps({**row, "uid": f"r{number}"}))
    assert TASKS["anli_plus"].listings(tmp_path) == []
    write(tmp_path, "anli/anli_v1.0/R3/dev.jsonl", json.dumps({**row, "uid": "r3", "label": "e"}))
    found = read(tmp_path, "anli_plus", "en", "dev")
    assert [(one["id"], one["label"]) for one in found] == [
        ("m", "neutral"),
        ("s2", "entailment"),
        ("r1", "contradiction"),
        ("r2", "contradiction"),
        ("r3", "entailment"),
    ]
    assert len(find(tmp_path, "anli_plus", "en", "dev").files) == 5


def test_qqp_drops_and_counts_ragged_rows_alone(tmp_path: Path) -> None:
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    write(tmp_path, "glue/QQP/train.tsv", header + "1\t1\t2\tbroken\nhere\t?\t0\n2\t1\t2\ta\tb\t1\n")
    listing = find(tmp_path, "qqp", "en", "train")
    assert list(listing.read()) == [{"id": "2", "text_a": "a", "text_b": "b", "label": "1"}]
    assert listing.dropped == {"cells": 2}
    write(tmp_path, "glue/QQP/test.tsv", "id\tquestion1\tquestion2\n0\ta\tb\n")
    assert read(tmp_path, "qqp", "en", "test")[0]["label"] is None
    write(tmp_path, "glue/QQP/dev.tsv", header + "1\t1\t2\ta\tb\tyes\n")
    with pytest.raises(DataError, match=r"^glue/QQP/dev\.tsv:2: is_duplicate"):
        read(tmp_path, "qqp", "en", "dev")


def test_hellaswag_takes_ctx_as_it_stands(tmp_path: Path) -> None:
    row = {"ind": 24, "ctx": "[header] A [title] B", "ctx_a": "x", "endings": [" a", "b", "c", "d"], "label": 3}
    write(tmp_path, "hellaswag/hellaswag_train.jsonl", json.dumps(row))
    assert read(tmp_path, "hellaswag") == [
        {"id": "24", "context": row["ctx"], "question": "", "choices": row["endings"], "label": 3}
    ]
    del row["label"]
    write(tmp_path, "hellaswag/hellaswag_test.jsonl", json.dumps(row))
    assert read(tmp_path, "hellaswag", "en", "test")[0]["label"] is None
    for label in (4, -1, None, "x", True, 1.0):
        write(tmp_path, "hellaswag/hellaswag_val.jsonl", json.dumps({**row, "label": label}))
        with pytest.raises(DataError, match=r"^hellaswag/hellaswag_val\.jsonl:1: label is"):
            read(tmp_path, "hellaswag", "en", "dev")


def test_csqa_finds_the_answer_by_its_letter(tmp_path: Path) -> None:
    choices = [{"label": letter, "text": f"text {letter}"} for letter in "BADCE"]
    row = {"id": "x", "question": {"stem": "Q?", "choices": choices}, "answerKey": "A"}
    write(tmp_path, "commonsense_qa/dev_rand_split.jsonl", json.dumps(row))
    found = read(tmp_path, "csqa", "en", "dev")
    assert (found[0]["label"], found[0]["choices"][1], found[0]["question"]) == (1, "text A", "Q?")
    for bad in ({**row, "answerKey": "F"}, {**row, "question": {"stem": "Q?"}}, {**row, "question": "Q?"}):
        write(tmp_path, "commonsense_qa/dev_rand_split.jsonl", json.dumps(bad))
        with pytest.raises(DataError, match=r"^commonsense_qa/dev_rand_split\.jsonl:1: "):
            read(tmp_path, "csqa", "en", "dev")


def test_cosmosqa_reads_csv_and_a_test_set_without_labels(tmp_path: Path) -> None:
    header = "id,context,question,answer0,answer1,answer2,answer3,label\n"
    write(tmp_path, "cosmos_qa/train.csv", header + '1,"a\r\nb, ""c""",q,w,x,y,"None of the above choices .",3\n')
    found = read(tmp_path, "cosmosqa")[0]
    assert (found["context"], found["label"], found["choices"][3]) == (
        'a\r\nb, "c"',
        3,
        "None of the above choices .",
    )
    keys = ("id", "context", "question", "answer0", "answer1", "answer2", "answer3")
    write(tmp_path, "cosmos_qa/test.jsonl", json.dumps(dict.fromkeys(keys, "t")))
    assert read(tmp_path, "cosmosqa", "en", "test")[0]["label"] is None
    write(tmp_path, "cosmos_qa/valid.csv", header + '1,"a\nb",q,w,x,y,z,3\n1,"a\nb",q,w,x,y,z,4\n')
    with pytest.raises(DataError, match=r"^cosmos_qa/valid\.csv:4: label is"):
        read(tmp_path, "cosmosqa", "en", "dev")


def test_ccg_splits_at_the_last_two_bars(tmp_path: Path) -> None:
    write(tmp_path, "ccg/b.train.stagged", "a|b|NN|N/N  |||,|,  \n")
    write(tmp_path, "ccg/a.train.stagged", "\nx|Y|(S\\NP)/NP\n")
    write(tmp_path, "ccg/train.stagged", "not a name of this form")
    assert read(tmp_path, "ccg") == [
        {"id": "0", "tokens": ["x"], "tags": ["(S\\NP)/NP"]},
        {"id": "0", "tokens": ["a|b", "||"], "tags": ["N/N", ","]},
    ]
    write(tmp_path, "ccg/c.dev.stagged", "x|Y|N\ny|N\n")
    with pytest.raises(DataError, match=r"^ccg/c\.dev\.stagged:2: 'y\|N' is not word"):
        read(tmp_path, "ccg", "en", "dev")


def test_mlm_reads_passages(tmp_path: Path) -> None:
    write(tmp_path, "mlm/sw.txt", " Habari \n\nya\u2028leo\n")
    write(tmp_path, "mlm/xx.txt", "not a language of XTREME\n")
    assert read(tmp_path, "mlm", "sw") == [{"id": "0", "text": " Habari "}, {"id": "1", "text": "ya\u2028leo"}]
    assert len(TASKS["mlm"].listings(tmp_path)) == 1


@pytest.mark.parametrize(
    ("task", "name", "text"),
    [
        ("qqp", "train.tsv", "id\tquestion1\tquestion2\tis_duplicate\n1\ta\tb\t0\n"),
        ("mnli", "train.tsv", "pairID\tsentence1\tsentence2\tgold_label\n1\ta\tb\tneutral\n"),
        ("mnli", "multinli_1.0_train.jsonl", json.dumps(_nli("p", "neutral"))),
        ("squad_v1", "train-v1.1.json", squad(question("q", 0, "a"), context="a")),
        ("squad_v2", "train-v2.0.json", squad(question("q", 0, "a"), context="a")),
        ("hellaswag", "hellaswag_train.jsonl", json.dumps({"ind": 1, "ctx": "a", "endings": ["b"], "label": 0})),
        ("ccg", "x.train.stagged", "a|B|N\n"),
    ],
)
def test_translated_copies_keep_the_published_names(tmp_path: Path, task: str, name: str, text: str) -> None:
    for language in ("de", "en", "xx"):
        write(tmp_path, f"translated/{task}/{language}/{name}", text)
    assert [(one.language, one.split) for one in TASKS[task].listings(tmp_path)] == [("de", "train")]
    assert len(read(tmp_path, task, "de")) == 1


def test_a_file_without_examples_is_listed(tmp_path: Path) -> None:
    write(tmp_path, "glue/QQP/train.tsv", "")
    write(tmp_path, "panx/de/test", "\n\n")
    write(tmp_path, "ud/X/de_x-ud-test.conllu", "")
    write(tmp_path, "xquad/xquad.de.json", '{"data": []}')
    for task, language, split in (
        ("qqp", "en", "train"),
        ("panx", "de", "test"),
        ("udpos", "de", "test"),
        ("xquad", "de", "test"),
    ):
        assert read(tmp_path, task, language, split) == []
        assert find(tmp_path, task, language, split).count() == 0
