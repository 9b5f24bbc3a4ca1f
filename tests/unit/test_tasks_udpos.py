"""Parts of speech: XTREME's tokens from CoNLL-U. The rule for fused tokens is held against networkx, which XTREME's own
converter calls for a word's ancestors."""

from __future__ import annotations

from pathlib import Path

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.published import find, read, write
from xtl.errors import DataError
from xtl.tasks.formats.listing import words

_UPOS = words("VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT")


def _row(key: str | int, form: str, upos: str = "_", head: str | int = "_", deps: str = "_") -> str:
    return "\t".join([str(key), form, "_", upos, "_", "_", str(head), "_", deps, "_"]) + "\n"


def _read(folder: Path, content: str | bytes, name: str = "de_gsd-ud-test.conllu") -> list[dict]:
    write(folder, f"ud/UD_Some-Bank/{name}", content)
    return read(folder, "udpos", name.partition("_")[0], name.partition("-ud-")[2].partition(".")[0])


def test_a_range_is_one_token_tagged_as_its_head(tmp_path: Path) -> None:
    content = (
        "# sent_id = a b \n# text = im Haus\n"
        + _row("1-2", "im")
        + _row(1, "in", "ADP", 3)
        + _row(2, "dem", "DET", 3)
        + _row(3, "Haus", "NOUN", 0)
        + _row("3.1", "leer", "NOUN")
    )
    found = _read(tmp_path, content)
    # Both words hang on the third: the tie goes to ADP, which stands before DET.
    assert found == [{"id": "a b ", "tokens": ["im", "Haus"], "tags": ["ADP", "NOUN"]}]


def test_the_word_with_fewest_ancestors_heads_whatever_its_part_of_speech(tmp_path: Path) -> None:
    content = _row("1-2", "dámelo") + _row(1, "da", "VERB", 2) + _row(2, "me", "PRON", 0)
    assert _read(tmp_path, content)[0]["tags"] == ["PRON"]


def test_deps_heads_count_as_ancestors_but_those_of_empty_nodes_do_not(tmp_path: Path) -> None:
    def tags(deps: str) -> list[str]:
        words = _row("1-2", "ab") + _row(1, "a", "VERB", 0, deps) + _row(2, "b", "DET", 0)
        rest = _row(3, "c", "NOUN", 4) + _row(4, "d", "X", 0)
        return _read(tmp_path, words + rest)[0]["tags"]

    assert tags("_")[0] == "VERB"
    assert tags("0:root|2.1:y|13.2:z")[0] == "VERB"
    assert tags("3:case")[0] == "DET"
    assert tags("8.1:y|4")[0] == "DET"


@pytest.mark.parametrize(
    ("language", "upos", "expected"),
    [
        ("es", ["PRON", "AUX"], "AUX"),
        ("fr", ["ADV", "NOUN"], "NOUN"),
        ("it", ["PRON", "ADV"], "ADV"),
        ("de", ["ADV", "PRON"], "PRON"),
        ("es", ["NOUN", "DET"], "DET"),
        ("es", ["NOUN", "ADJ"], "NOUN"),
        ("de", ["SYM", "_"], "SYM"),
        ("pt", ["PUNCT", "X"], "X"),
    ],
)
def test_ties_go_by_the_languages_list_then_to_the_first(
    tmp_path: Path, language: str, upos: list[str], expected: str
) -> None:
    content = _row("1-2", "ab") + _row(1, "a", upos[0], 3) + _row(2, "b", upos[1], 3) + _row(3, "c", "X", 0)
    assert _read(tmp_path, content, f"{language}_x-ud-test.conllu")[0]["tags"] == [expected, "X"]


@given(st.data())
def test_the_head_is_the_one_that_networkx_finds(tmp_path_factory, data) -> None:
    size = data.draw(st.integers(2, 6))
    heads = [data.draw(st.integers(0, size + 1)) for _ in range(size)]
    deps = [data.draw(st.lists(st.integers(0, size + 1), max_size=2)) for _ in range(size)]
    upos = [data.draw(st.sampled_from(_UPOS)) for _ in range(size)]
    graph = networkx.DiGraph()
    content = _row(f"1-{size}", "all")
    for position in range(1, size + 1):
        own = deps[position - 1]
        graph.add_edge(heads[position - 1], position)
        graph.add_edges_from((head, position) for head in own)
        column = "|".join(f"{head}:x" for head in own) or "_"
        content += _row(position, "w", upos[position - 1], heads[position - 1], column)
    above = {position: len(networkx.ancestors(graph, position)) for position in range(1, size + 1)}
    highest = [position for position in above if above[position] == min(above.values())]
    expected = min(highest, key=lambda position: _UPOS.index(upos[position - 1]))
    found = _read(tmp_path_factory.mktemp("ud"), content)
    assert found == [{"id": "0", "tokens": ["all"], "tags": [upos[expected - 1]]}]


def test_tokens_lose_outer_white_space_spaces_and_zero_width_non_joiners(tmp_path: Path) -> None:
    forms = ["\u00a0trẻ con ", "a\u00a0b", "می\u200cخواهم", "\u200c", "x\u200by"]
    found = _read(tmp_path, "".join(_row(n, form, "NOUN", 0) for n, form in enumerate(forms, start=1)))
    assert found[0]["tokens"] == ["trẻcon", "a\u00a0b", "میخواهم", "", "x\u200by"]


def test_withheld_sentences_are_dropped_and_still_count_in_ids(tmp_path: Path) -> None:
    sentences = [
        _row(1, "_", "NOUN", 0) + _row(2, " _ ", "NOUN", 1),
        _row(1, "_", "NOUN", 0) + _row(2, ".", "PUNCT", 1),
        _row(1, "_", "NOUN", 0) + _row(2, ".", "PUNCT", 1) + _row(3, "!", "PUNCT", 1),
        _row(1, "Ja", "NOUN", 0),
        _row("1-2", "_") + _row(1, "a", "NOUN", 0) + _row(2, "b", "NOUN", 0),
    ]
    write(tmp_path, "ud/B/de_gsd-ud-test.conllu", "\n".join(sentences))
    listing = find(tmp_path, "udpos", "de", "test")
    assert [example["id"] for example in listing.read()] == ["2", "3"]
    assert listing.dropped == {"text withheld": 3}
    assert [example["id"] for example in listing.read()] == ["2", "3"]
    assert listing.dropped == {"text withheld": 3}


def test_sentences_are_cut_at_empty_lines_and_comments_alone_are_none(tmp_path: Path) -> None:
    content = (
        "\ufeff# newdoc\n\n\n# sent_id = a\n# sent_id = b\n#sent_id = c\n" + _row(1, "x", "X", 0) + "\r\n\r\n"
        "# global\n\n" + _row(1, "y\u2028z", "whatever", 0) + "\n# end"
    )
    assert _read(tmp_path, content) == [
        {"id": "a", "tokens": ["x"], "tags": ["X"]},
        {"id": "1", "tokens": ["y\u2028z"], "tags": ["whatever"]},
    ]


def test_languages_go_by_file_name_and_files_join_by_name(tmp_path: Path) -> None:
    for folder, name, form in (
        ("UD_Z", "el_a-ud-test.conllu", "1"),
        ("UD_A", "el_b-ud-test.conllu", "2"),
        ("UD_Greek", "el_B-ud-test.conllu", "0"),
        ("UD_Greek", "grc_a-ud-test.conllu", "grc"),
        ("UD_Chinese", "lzh_a-ud-test.conllu", "lzh"),
        ("UD_Greek", ".el_a-ud-test.conllu", "hidden"),
        ("UD_Greek", "el_a-ud-test.txt", "text"),
        ("UD_Greek/deeper", "el_c-ud-test.conllu", "deeper"),
    ):
        write(tmp_path, f"ud/{folder}/{name}", _row(1, form, "X", 0))
    assert [example["tokens"] for example in read(tmp_path, "udpos", "el", "test")] == [["0"], ["1"], ["2"]]
    assert [path.name for path in find(tmp_path, "udpos", "el", "test").files] == [
        "el_B-ud-test.conllu",
        "el_a-ud-test.conllu",
        "el_b-ud-test.conllu",
    ]


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (_row(1, "a", "X", 0)[:-3] + "\n", 1, "9 cells"),
        (_row(1, "a", "X", 0) + _row("x", "a", "X", 0), 2, "the id 'x'"),
        (_row(1, "a", "X", 0) + _row(3, "a", "X", 0), 2, "not the next word 2"),
        (_row(1, "a", "X", 0) + _row(1, "a", "X", 0), 2, "not the next word 2"),
        (
            "# c\n" + _row("1-3", "abc") + _row(1, "a", "X", 0) + _row(2, "b", "X", 0) + "\n",
            2,
            "words that are not there",
        ),
        (_row("1-2", "ab") + _row("2-3", "bc") + _row(1, "a", "X", 0), 2, "laps over"),
        (_row("2-1", "ab"), 1, "is empty"),
        (_row("1-2", "ab"), 1, "words that are not there"),
        (_row(1, "a", "X", "root"), 1, "HEAD is 'root'"),
    ],
)
def test_what_is_malformed_is_said_with_file_and_line(tmp_path: Path, content: str, line: int, what: str) -> None:
    with pytest.raises(DataError, match=rf"^ud/UD_Some-Bank/de_gsd-ud-test\.conllu:{line}: .*{what}"):
        _read(tmp_path, content)
