"""A report of several models: in what they were not trained alike, and decoders' retrieval by last pieces."""

from __future__ import annotations

import json
from typing import Any

from tests.reports import ARMS, DECODER, MODEL, manifests_of, report, spec_of
from xtl.report import tables
from xtl.report.alike import unlike
from xtl.report.asked import asked
from xtl.report.build import rows_of
from xtl.report.page import page
from xtl.report.runs import Manifest
from xtl.report.write import files

TASKS = ("xnli", "tatoeba")
MODELS = (MODEL, DECODER)


def studied() -> tuple[list[dict[str, Any]], dict[str, Manifest | None]]:
    spec = spec_of(seeds=(1, 2), tasks=TASKS, arms=ARMS[:2], contrasts=(), models=MODELS)
    return list(rows_of(spec)), json.loads(json.dumps(manifests_of(spec, frozenset())))


def of(rows: list[dict[str, Any]], **wanted: Any) -> list[str]:
    return [row["key"] for row in rows if wanted.items() <= row.items()]


def test_models_that_were_trained_alike_need_no_word() -> None:
    assert unlike(*studied()) == []


def test_a_target_setting_that_differs_is_told_with_every_models_value() -> None:
    rows, manifests = studied()
    for key in of(rows, model=DECODER, task="xnli"):
        manifests[key]["spec"] |= {"lora": {"rank": 16, "alpha": 32, "targets": "all-linear", "carry": "merge"}}  # type: ignore[index]
        manifests[key]["spec"]["settings"] |= {"lr": 2e-4, "micro_tokens": 7}  # type: ignore[index]
    (told,) = unlike(rows, manifests)
    assert told == (
        f"The models were not all trained alike. {MODEL}: trained all weights, lr 1e-05; {DECODER}: trained adapters of"
        " rank 16, alpha 32, all-linear on xnli, all weights on the intermediate mnli,"
        " lr 0.0002 on xnli, 1e-05 on the intermediate mnli. A difference between them is one of both."
    )


def test_an_intermediates_setting_that_differs_is_told_too() -> None:
    rows, manifests = studied()
    for key in of(rows, model=DECODER, task="xnli", arm="mnli"):
        before = manifests[manifests[key]["spec"]["parents"]["encoder"]]  # type: ignore[index]
        before["spec"]["parts"] = [{"task": "mnli", "settings": {"length": 128}, "cap": None}]  # type: ignore[index]
        del before["spec"]["optimiser"]["length"]  # type: ignore[index]
    (told,) = unlike(rows, manifests)
    assert f"{MODEL}: length 256; {DECODER}: length 256 on xnli, 128 on the intermediate mnli" in told


def test_steps_in_place_of_epochs_are_a_difference() -> None:
    rows, manifests = studied()
    for key in of(rows, model=DECODER, task="xnli"):
        settings = manifests[key]["spec"]["settings"]  # type: ignore[index]
        del settings["epochs"]
        settings["steps"] = 10_000
    (told,) = unlike(rows, manifests)
    assert f"{MODEL}: for 2 epochs; {DECODER}: for 10000 steps on xnli, 2 epochs on the intermediate mnli." in told


def test_a_model_without_results_yet_is_not_called_different() -> None:
    rows, manifests = studied()
    for key in of(rows, model=DECODER):
        manifests[key] = None
    assert unlike(rows, manifests) == []


def prompted(language: str, fewest: int, shots: int = 4) -> dict[str, Any]:
    metrics = {"shots": {"de": {"language": language, "examples": ["1"], "fewest": fewest}} if shots else {}}
    return {"spec": {"prompt": {"shots": shots}, "parents": {"encoder": "fetched"}}, "metrics": metrics}


def rows_of_prompted(*keys: str, models: int = 1) -> list[dict[str, Any]]:
    return [
        {"model": f"m{n % models}", "arm": "prompted", "task": "xnli", "seed": n, "key": key}
        for n, key in enumerate(keys)
    ]


def test_what_stood_in_front_is_told_once_for_all_seeds() -> None:
    manifests = {"a": prompted("de", 4), "b": prompted("de", 2), "c": prompted("de", 3)}
    (told,) = asked(rows_of_prompted("a", "b", "c"), manifests)
    assert told.endswith("In front of a question: 4 examples, in the question's language, at the least 2 in de.")
    (told,) = asked(rows_of_prompted("a"), {"a": prompted("en", 4)})
    assert told.endswith("In front of a question: 4 examples.")
    (told,) = asked(rows_of_prompted("a", "b", models=2), {"a": prompted("en", 4), "b": prompted("en", 0, shots=0)})
    assert told.endswith("In front of a question: 4 examples (xnli of m0); no examples (xnli of m1).")
    assert asked(rows_of_prompted("a"), {"a": None}) == []
    english = prompted("en", 4)
    english["spec"]["prompt"]["language"] = "own"
    (told,) = asked(rows_of_prompted("a"), {"a": english})
    assert told.endswith("4 examples in English, since no other language has a dev set that is not scored.")


def test_results_of_before_examples_were_counted_are_told_too() -> None:
    before = prompted("en", 4)
    before["metrics"] = {"shots": {"de": ["1", "2"]}}
    (told,) = asked(rows_of_prompted("a"), {"a": before, "fetched": {"metrics": {"chat_template": True}}})
    assert told.endswith("In front of a question: 4 examples. The chat template of m0 was not applied.")


def test_retrieval_by_last_pieces_stands_beside_that_by_means() -> None:
    found = report(seeds=(1, 2), tasks=TASKS, arms=ARMS[:2], contrasts=(), models=MODELS, holes=frozenset())
    assert [(one[0].model, one[0].task, one[0].pooling, len(one)) for one in found.sweeps] == [
        (MODEL, "tatoeba", "mean", 2),
        (DECODER, "tatoeba", "mean", 2),
        (DECODER, "tatoeba", "last", 2),
    ]
    *_, mean, last = found.sweeps
    assert (mean[0].fixed, mean[0].chosen, last[0].fixed, last[0].chosen) == (14, (10,), None, (20,))
    assert last[0].score == last[0].values[20] == mean[0].values[10] / 2
    table = tables.retrieval(found)
    assert table is not None
    rows = {row[1]: row[2:7] for row in table.rows}
    assert rows[f"none of {DECODER}, last pieces"] == ("-", "-", "20", "oracle", f"{last[0].score:.1f}")
    assert rows[f"none of {DECODER}"][:3] == ("14", f"{mean[0].values[14]:.1f}", "10")
    assert len(rows) == 6
    shown = page(found)
    assert "tatoeba, last pieces, by layer, on test" in shown
    assert "curves of its last piece stand beside" in shown
    assert f"tatoeba, last pieces, of {DECODER} at every layer, on test" in shown
    assert {name for name in files(found) if "layers-" in name} == {
        "figures/layers-tatoeba.facebookai-xlm-roberta-large.svg",
        "figures/layers-tatoeba.qwen-qwen3-4b-base.svg",
        "figures/layers-tatoeba-last-pieces.qwen-qwen3-4b-base.svg",
    }
