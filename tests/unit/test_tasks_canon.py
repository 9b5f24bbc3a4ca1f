"""Where a second reading of CANON differed from the readers: a written line each, and what CANON makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.published import find, question, read, squad, write
from xtl.errors import DataError
from xtl.tasks import TASKS

_COSMOS = "id,context,question,answer0,answer1,answer2,answer3,label\n"


def _tatoeba(folder: Path, foreign: bytes, english: bytes) -> None:
    write(folder, "tatoeba/v1/tatoeba.deu-eng.deu", foreign)
    write(folder, "tatoeba/v1/tatoeba.deu-eng.eng", english)


def test_a_bom_alone_is_an_empty_file_not_an_empty_sentence(tmp_path: Path) -> None:
    _tatoeba(tmp_path, b"\xef\xbb\xbf", b"")
    assert read(tmp_path, "tatoeba", "de", "test.de") == read(tmp_path, "tatoeba", "de", "test.en") == []
    assert find(tmp_path, "tatoeba", "de", "test.de").count() == 0
    _tatoeba(tmp_path, b"\xef\xbb\xbf\n", b"\xef\xbb\xbfb\n")
    assert read(tmp_path, "tatoeba", "de", "test.de") == [{"id": "0", "text": ""}]
    _tatoeba(tmp_path, b"\xef\xbb\xbf", b"b\nc")
    with pytest.raises(DataError, match=r"^tatoeba/v1/tatoeba\.deu-eng\.eng:1: no partner"):
        read(tmp_path, "tatoeba", "de", "test.de")


@pytest.mark.parametrize(
    "row",
    ["1,5'10\" tall,q,a,b,c,d,0", '1, "x, y",a,b,c,d,0', '1,"x\ny",q"\n,a,b,c,d,0', '1,x,"q",a,b,c,d,0\r\r'],
    ids=["inches", "space before the quote", "row over two lines", "CR before the line end"],
)
def test_a_quote_mark_or_cr_in_a_csv_field_without_quotes_is_no_rfc_4180(tmp_path: Path, row: str) -> None:
    write(tmp_path, "cosmos_qa/valid.csv", f'{_COSMOS}0,"5\'10"" tall\r",q,a,b,c,d,3\n\n{row}\n')
    with pytest.raises(DataError, match=r"^cosmos_qa/valid\.csv:4: not CSV"):
        read(tmp_path, "cosmosqa", "en", "dev")
    write(tmp_path, "cosmos_qa/valid.csv", f'{_COSMOS}0,"5\'10"" tall\r",q,a,b,c,d,3\r')
    assert read(tmp_path, "cosmosqa", "en", "dev")[0]["context"] == "5'10\" tall\r"


def test_a_csqa_choice_that_is_no_object_is_not_passed_over(tmp_path: Path) -> None:
    choices = [{"label": "A", "text": "x"}, "stray", {"label": "B", "text": "y"}]
    row = {"id": "1", "question": {"stem": "s", "choices": choices}, "answerKey": "B"}
    write(tmp_path, "commonsense_qa/dev_rand_split.jsonl", "\n" + json.dumps(row))
    with pytest.raises(DataError, match=r"^commonsense_qa/dev_rand_split\.jsonl:2: question\.choices"):
        read(tmp_path, "csqa", "en", "dev")


def test_a_stagged_line_of_spaces_is_a_sentence_without_tokens(tmp_path: Path) -> None:
    write(tmp_path, "ccg/a.dev.stagged", " \n\na|DT|NP/N  b||N| \n")
    assert read(tmp_path, "ccg", "en", "dev") == [
        {"id": "0", "tokens": [], "tags": []},
        {"id": "1", "tokens": ["a", "b|"], "tags": ["NP/N", ""]},
    ]
    write(tmp_path, "ccg/a.dev.stagged", "a|DT|NP/N  b|N \n")
    with pytest.raises(DataError, match=r"^ccg/a\.dev\.stagged:1: 'b\|N' is not word"):
        read(tmp_path, "ccg", "en", "dev")


def _word(key: str, form: str, upos: str = "_", head: str = "_") -> str:
    return "\t".join([key, form, "_", upos, "_", "_", head, "_", "_", "_"]) + "\n"


def _conllu(folder: Path, content: str, name: str = "ud/UD_German-A/de_a-ud-dev.conllu") -> None:
    write(folder, name, content)


def test_range_lines_may_stand_anywhere_in_their_sentence(tmp_path: Path) -> None:
    words = [_word(str(at), f"w{at}", "NOUN", str(at - 1)) for at in range(1, 5)]
    _conllu(tmp_path, _word("3-4", "late") + "".join(words) + _word("1-2", "early"))
    assert read(tmp_path, "udpos", "de", "dev")[0]["tokens"] == ["early", "late"]
    _conllu(tmp_path, _word("2-4", "outer") + "".join(words) + _word("3-3", "inner"))
    with pytest.raises(DataError, match=r"dev\.conllu:6: the range 3-3 is empty or laps over another"):
        read(tmp_path, "udpos", "de", "dev")


def test_ids_of_thousands_of_digits_are_strange_and_no_crash(tmp_path: Path) -> None:
    for line in (_word("1" * 5000, "a"), _word("1-" + "9" * 5000, "a"), _word("1", "a", "X", "9" * 5000)):
        _conllu(tmp_path, line)
        with pytest.raises(DataError, match=r"^ud/UD_German-A/de_a-ud-dev\.conllu:1: "):
            read(tmp_path, "udpos", "de", "dev")


def test_hidden_files_and_folders_are_not_part_of_the_layout(tmp_path: Path) -> None:
    _conllu(tmp_path, _word("1", "a", "X", "0"))
    _conllu(tmp_path, "broken", "ud/.checkpoints/de_b-ud-dev.conllu")
    _conllu(tmp_path, "broken", "ud/UD_German-A/._de_a-ud-dev.conllu")
    assert read(tmp_path, "udpos", "de", "dev") == [{"id": "0", "tokens": ["a"], "tags": ["X"]}]
    assert len(TASKS["udpos"].listings(tmp_path)) == 1


def test_answers_of_an_impossible_question_are_not_looked_at(tmp_path: Path) -> None:
    asked = [
        question("q", None, is_impossible=True) | {"answers": answers}
        for answers in (["\ud800"], None, [{"text": "nowhere", "answer_start": 9}])
    ]
    write(tmp_path, "squad_v2.0/dev-v2.0.json", squad(*asked, context="c"))
    assert [one["answers"] for one in read(tmp_path, "squad_v2", "en", "dev")] == [[], [], []]
