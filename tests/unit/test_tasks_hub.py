"""The hub, played offline by a folder of repositories in the layouts that HUB describes: Parquet files, configurations
and class labels in the card. They are opened by the same calls as the real ones."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.hub import NLI, repository
from xtl.errors import DataError, ModelError, UserError, XtlError
from xtl.tasks import TASKS, get, hub, source


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    monkeypatch.setenv("XTL_HUB_ROOT", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "hub"


def read(task: str, language: str, split: str) -> list[dict[str, Any]]:
    sets = get(task).hub(language, split)
    return list(hub.open_listing(task, language, split, {one.id: hub.revision(one.id) for one in sets}).read())


def answers(*pairs: tuple[str, int]) -> dict[str, list[Any]]:
    return {"text": [text for text, _ in pairs], "answer_start": [start for _, start in pairs]}


def test_xnli_has_train_sets_and_no_published_ids(root: Path) -> None:
    row = {"premise": ' "a', "hypothesis": "b", "label": 2}
    splits = {("de", split): [row, {**row, "label": 0}] for split in ("train", "validation", "test")}
    repository(root, "facebook/xnli", splits, {"label": NLI})
    for split in ("train", "dev", "test"):
        assert read("xnli", "de", split) == [
            {"id": "0", "text_a": ' "a', "text_b": "b", "label": "contradiction"},
            {"id": "1", "text_a": ' "a', "text_b": "b", "label": "entailment"},
        ]


def test_label_words_are_read_from_the_card_not_guessed_from_their_order(root: Path) -> None:
    row = {"premise": "a", "hypothesis": "b", "label": 0}
    repository(root, "facebook/xnli", {("de", "test"): [row]}, {"label": ["contradiction", "neutral", "entailment"]})
    assert read("xnli", "de", "test")[0]["label"] == "contradiction"


def test_labels_without_a_card_are_integers_in_the_published_order(root: Path) -> None:
    rows = [{"premise": "a", "hypothesis": "b", "label": label} for label in (0, 1, 2, -1)]
    repository(root, "facebook/xnli", {("de", "test"): rows})
    assert [one["label"] for one in read("xnli", "de", "test")] == [*NLI, None]


def test_pawsx_ids_are_numbers_there(root: Path) -> None:
    row = {"id": 7, "sentence1": "NS", "sentence2": "b", "label": 1}
    repository(root, "google-research-datasets/paws-x", {("ko", "validation"): [row]}, {"label": ["0", "1"]})
    assert read("pawsx", "ko", "dev") == [{"id": "7", "text_a": "NS", "text_b": "b", "label": "1"}]


def test_panx_tags_are_lists_of_class_labels(root: Path) -> None:
    row = {"tokens": [":", "Ulm"], "ner_tags": [0, 5], "langs": ["de", "de"]}
    labels = {"ner_tags": list(get("panx").labels or ())}
    repository(root, "google/xtreme", {("PAN-X.de", "train"): [row]}, labels, lists=True)
    assert read("panx", "de", "train") == [{"id": "0", "tokens": [":", "Ulm"], "tags": ["O", "B-LOC"]}]


def test_spans_are_verified_and_a_stripped_context_is_set_right(root: Path) -> None:
    rows = [
        {"id": "q1", "context": "😀 b", "question": "Q", "answers": answers(("b", 2), ("b", 2))},
        {"id": "q2", "context": "ab c", "question": "Q", "answers": answers(("ab", 2), ("c", 5))},
        {"id": "q3", "context": "x", "question": "Q", "answers": answers()},
    ]
    repository(root, "google/xquad", {("xquad.zh", "validation"): rows})
    assert [one["answers"] for one in read("xquad", "zh", "test")] == [
        [{"text": "b", "start": 2}] * 2,
        [{"text": "ab", "start": 0}, {"text": "c", "start": 3}],
        [],
    ]


@pytest.mark.parametrize("given", [answers(("z", 0)), answers(("a", 5)), answers(("", 0)), answers(("b", 0), ("a", 1))])
def test_an_answer_that_no_single_shift_explains_is_an_error(root: Path, given: dict) -> None:
    row = {"id": "q9", "context": "aab", "question": "Q", "answers": given}
    repository(root, "google/xtreme", {("MLQA.de.de", "test"): [row]})
    with pytest.raises(DataError, match=r"^google/xtreme/MLQA\.de\.de/test:row 0: question q9"):
        read("mlqa", "de", "test")


def test_tydiqa_is_filtered_by_the_id(root: Path) -> None:
    rows = [
        {"id": f"{name}-1", "title": "t", "context": "a", "question": "Q", "answers": answers(("a", 0))}
        for name in ("arabic", "korean", "arabic")
    ]
    splits = {("secondary_task", "train"): rows, ("secondary_task", "validation"): rows}
    repository(root, "google-research-datasets/tydiqa", splits)
    assert [one["id"] for one in read("tydiqa", "ar", "train")] == ["arabic-1", "arabic-1"]
    assert [one["id"] for one in read("tydiqa", "ko", "test")] == ["korean-1"]
    repository(root, "google-research-datasets/tydiqa", {("secondary_task", "train"): [{**rows[0], "id": "thai-1"}]})
    with pytest.raises(DataError, match="no language"):
        read("tydiqa", "ar", "train")


def test_tatoeba_is_stripped_and_english_sorted(root: Path) -> None:
    junk = {"source_lang": "/cache/path", "target_lang": "eng"}
    rows = [{"source_sentence": f"{n}\n", "target_sentence": text, **junk} for n, text in enumerate(("b\n", "a\n"))]
    repository(root, "google/xtreme", {("tatoeba.swh", "validation"): rows})
    assert read("tatoeba", "sw", "test.sw") == [{"id": "0", "text": "0"}, {"id": "1", "text": "1"}]
    assert read("tatoeba", "sw", "test.en") == [{"id": "1", "text": "a"}, {"id": "0", "text": "b"}]


def test_bucc_is_one_row_whose_gold_counts_from_one(root: Path) -> None:
    row = {"sentence1": ["a", "b"], "sentence2": ["x", "y", "z"], "gold": [[1, 3], [2, 1]]}
    repository(root, "mteb/BUCC", {("zh-en", "test"): [row]})
    assert read("bucc2018", "zh", "test.zh") == [{"id": "0", "text": "a"}, {"id": "1", "text": "b"}]
    assert len(read("bucc2018", "zh", "test.en")) == 3
    assert read("bucc2018", "zh", "test.gold") == [{"source": "0", "target": "2"}, {"source": "1", "target": "0"}]
    repository(root, "mteb/BUCC", {("zh-en", "test"): [{**row, "gold": [[0, 1]]}]})
    with pytest.raises(DataError, match="gold pair"):
        read("bucc2018", "zh", "test.gold")
    sets = {"mteb/BUCC": "0" * 64}
    with pytest.raises(UserError, match="BUCC changed"):
        list(hub.open_listing("bucc2018", "zh", "test.en", sets).read())


def test_mnli_keeps_its_pair_ids_and_takes_the_test_set_from_glue(root: Path) -> None:
    row = {"pairID": "1e", "promptID": 1, "premise": "a", "hypothesis": "b", "label": 0, "genre": "x"}
    splits = {("default", split): [row, {**row, "label": -1}] for split in ("train", "validation_matched")}
    repository(root, "nyu-mll/multi_nli", splits, {"label": NLI})
    glue = {"premise": "a", "hypothesis": "b", "label": -1, "idx": 5}
    repository(root, "nyu-mll/glue", {("mnli", "test_matched"): [glue]}, {"label": NLI})
    assert read("mnli", "en", "train") == [{"id": "1e", "text_a": "a", "text_b": "b", "label": "entailment"}]
    assert len(read("mnli", "en", "dev")) == 1
    assert read("mnli", "en", "test") == [{"id": "0", "text_a": "a", "text_b": "b", "label": None}]


def test_anli_plus_joins_its_sets_and_drops_the_unlabelled(root: Path) -> None:
    row = {"premise": "a", "hypothesis": "b", "label": 1}
    multi = {("default", split): [{**row, "pairID": "1n"}] for split in ("train", "validation_matched")}
    repository(root, "nyu-mll/multi_nli", multi, {"label": NLI})
    stanford = {("plain_text", split): [{**row, "label": -1}, row] for split in ("train", "validation")}
    repository(root, "stanfordnlp/snli", stanford, {"label": NLI})
    rounds = {
        ("plain_text", f"{split}_r{number}"): [{**row, "uid": f"{split}{number}", "reason": ""}]
        for split in ("train", "dev")
        for number in (1, 2, 3)
    }
    repository(root, "facebook/anli", rounds, {"label": NLI})
    assert [one["id"] for one in read("anli_plus", "en", "dev")] == ["1n", "1", "dev1", "dev2", "dev3"]
    origin = hub.unit_origin("anli_plus", "")
    assert origin is not None
    assert list(origin) == ["nyu-mll/multi_nli", "stanfordnlp/snli", "facebook/anli"]
    train, dev = hub.unit_listings("anli_plus", "", origin)
    assert (train.split, dev.split, train.count()) == ("train", "dev", 1_104_934)
    assert len(list(train.read())) == 5
    assert train.dropped == {"unlabelled": 1}


def test_qqp_has_words_where_glues_files_have_digits(root: Path) -> None:
    rows = [{"question1": "a", "question2": "b", "label": label, "idx": 9} for label in (1, 0, -1)]
    repository(root, "nyu-mll/glue", {("qqp", "test"): rows}, {"label": ["not_duplicate", "duplicate"]})
    assert [one["label"] for one in read("qqp", "en", "test")] == ["1", "0", None]


def test_squad_sets_by_config_name(root: Path) -> None:
    row = {"id": "q", "title": "t", "context": " a", "question": "Q", "answers": answers(("a", 1))}
    repository(root, "rajpurkar/squad", {("plain_text", "train"): [row]})
    repository(root, "rajpurkar/squad_v2", {("squad_v2", "validation"): [{**row, "answers": answers()}, row]})
    assert read("squad_v1", "en", "train")[0]["answers"] == [{"text": "a", "start": 1}]
    assert [len(one["answers"]) for one in read("squad_v2", "en", "dev")] == [0, 1]


def test_hellaswags_labels_are_text_and_empty_in_test(root: Path) -> None:
    row = {"ind": 24, "ctx_a": "x", "ctx": "[header] a", "endings": ["b", "c", "d", "e"], "split": "val", "label": "3"}
    splits = {("default", "validation"): [row], ("default", "test"): [{**row, "label": ""}]}
    repository(root, "Rowan/hellaswag", splits)
    assert read("hellaswag", "en", "dev") == [
        {"id": "24", "context": "[header] a", "question": "", "choices": ["b", "c", "d", "e"], "label": 3}
    ]
    assert read("hellaswag", "en", "test")[0]["label"] is None


def test_csqa_by_letter(root: Path) -> None:
    row = {
        "id": "x",
        "question": "Q?",
        "question_concept": "c",
        "choices": {"label": ["A", "B"], "text": ["t", "u"]},
        "answerKey": "B",
    }
    splits = {("default", "train"): [row], ("default", "test"): [{**row, "answerKey": ""}]}
    repository(root, "tau/commonsense_qa", splits)
    assert read("csqa", "en", "train") == [
        {"id": "x", "context": "", "question": "Q?", "choices": ["t", "u"], "label": 1}
    ]
    assert read("csqa", "en", "test")[0]["label"] is None


def test_cosmosqa_comes_from_the_converted_files_beside_no_script(root: Path) -> None:
    row = {"id": "1", "context": "c", "question": "q", **{f"answer{n}": str(n) for n in range(4)}, "label": 2}
    for split, label in (("train", 2), ("validation", 0), ("test", -1)):
        path = root / "allenai/cosmos_qa/default" / split / "0000.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([{**row, "label": label}]), path)
    assert [read("cosmosqa", "en", split)[0]["label"] for split in ("train", "dev", "test")] == [2, 0, None]
    assert read("cosmosqa", "en", "train")[0]["choices"] == ["0", "1", "2", "3"]


def test_a_repository_that_is_a_script_or_lacks_columns_is_refused(root: Path) -> None:
    (root / "facebook/xnli").mkdir(parents=True)
    (root / "facebook/xnli/xnli.py").write_text("raise SystemExit('ran')\n")
    with pytest.raises(UserError, match=r"facebook/xnli cannot be loaded.*[Ss]cripts"):
        read("xnli", "de", "test")
    (root / "facebook/xnli/xnli.py").unlink()
    repository(root, "facebook/xnli", {("de", "test"): [{"premise": "a", "gold": 1}]})
    with pytest.raises(UserError, match="facebook/xnli/de/test: no column hypothesis label"):
        read("xnli", "de", "test")
    with pytest.raises(UserError, match=r"facebook/xnli cannot be loaded"):
        read("xnli", "fr", "test")


def test_units_name_commits_and_know_what_no_hub_has(root: Path) -> None:
    repository(root, "facebook/xnli", {("de", "train"): [{"premise": "a", "hypothesis": "b", "label": 0}]})
    origin = hub.unit_origin("xnli", "de")
    assert origin == {"facebook/xnli": hub.revision("facebook/xnli")}
    assert [(one.language, one.split) for one in hub.unit_listings("xnli", "de", origin)] == [("de", "train")]
    for key in ("udpos", "ccg", "mlm"):
        assert hub.unit_origin(key, "") is None
        with pytest.raises(UserError, match=f"no hub has {key}@en train"):
            hub.open_listing(key, "en", "train", {})
    with pytest.raises(UserError, match=r"dev\.gold as published.*sample set"):
        hub.open_listing("bucc2018", "de", "dev.gold", {})


def test_every_hub_set_is_namespaced_and_every_split_has_a_size() -> None:
    for task in TASKS.values():
        for part in ("", "de", "ko"):
            for where, size in source.published(task.key, part).items():
                sets = task.hub(*where)
                assert all(one.id.count("/") == 1 for one in sets), task.key
                assert size > 0, (task.key, where)


def test_pinned_commits_need_no_network_and_others_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("XTL_HUB_ROOT", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub._head.cache_clear()
    assert hub.unit_origin("pawsx", "de") == {
        "google-research-datasets/paws-x": "4cd8187c404bda33cb1f62b49b001115862acf37"
    }
    with pytest.raises(XtlError, match=r"google/xtreme: the hub .*data:"):
        hub.revision("google/xtreme")
    refs = tmp_path / "datasets--google--xtreme/refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("a" * 40)
    assert hub.revision("google/xtreme") == "a" * 40
    with pytest.raises(UserError, match="namespace/name"):
        hub.model_revision("xlm-roberta-base")


@pytest.mark.parametrize(
    ("name", "expected", "kind"),
    [
        ("GatedRepoError", "accept its terms at https://huggingface.co/datasets/a/b and set HF_TOKEN", UserError),
        ("RepositoryNotFoundError", "not on the hub, or private", UserError),
        ("ConnectionError", "does not answer: said; try again", XtlError),
        ("ValueError", "cannot be loaded", UserError),
    ],
)
def test_what_hub_libraries_raise_becomes_advice(name: str, expected: str, kind: type[XtlError]) -> None:
    raised = type(name, (Exception,), {})
    with pytest.raises(kind, match=expected) as caught, hub._Explained("a/b", "dataset"):
        raise RuntimeError("said\nTraceback") from raised("inner")
    assert type(caught.value) is kind
    assert "Traceback" not in str(caught.value)


def test_a_model_is_what_can_be_loaded_without_unpickling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}

    def download(name: str, *, revision: str, local_dir: Path, allow_patterns: list[str]) -> str:
        asked.update(name=name, revision=revision, patterns=allow_patterns)
        local_dir.mkdir(exist_ok=True)
        (local_dir / "config.json").write_text(json.dumps({}))
        return str(local_dir)

    monkeypatch.delenv("XTL_HUB_ROOT", raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ModelError, match=r"no safetensors weights at 0123, .* into a folder, and name that"):
        hub.download_model("a/b", "0123", tmp_path / "model")
    (tmp_path / "model/model.safetensors").write_bytes(b"")
    assert hub.download_model("a/b", "0123", tmp_path / "model") == tmp_path / "model"
    assert (asked["name"], asked["revision"]) == ("a/b", "0123")
    assert not any(pattern.endswith((".bin", ".pt", ".py", "*")) for pattern in asked["patterns"])


def test_a_plan_looks_at_a_models_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A gated model is told before anything runs."""
    import huggingface_hub

    error: type[Exception] | None = None

    def download(name: str, file: str, *, revision: str) -> str:
        assert (name, file, revision) == ("meta-llama/Llama-3.2-1B", "config.json", "c" * 40)
        if error:
            raise error("said")
        (tmp_path / "config.json").write_text('{"model_type": "llama"}')
        return str(tmp_path / "config.json")

    monkeypatch.delenv("XTL_HUB_ROOT", raising=False)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    ask = partial(hub.model_config, "meta-llama/Llama-3.2-1B", "c" * 40)
    assert ask() == {"model_type": "llama"}
    error = type("GatedRepoError", (Exception,), {})
    with pytest.raises(UserError, match=r"is gated: accept its terms at .*Llama-3\.2-1B and set HF_TOKEN"):
        ask()
    assert ask(must_know=False) == {}
    error = type("ConnectionError", (Exception,), {})
    with pytest.raises(XtlError, match="does not answer"):
        ask()  # what a model can do is in the keys
    assert hub.model_config("a/b", hub.UNKNOWN) == {}
