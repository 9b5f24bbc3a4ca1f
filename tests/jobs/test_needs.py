"""What is fetched ahead is what a stage reads: no more, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import tokenised
from jobs.context import Context
from jobs.needs import needs
from tests.jobs.test_stage import _not_stopping, key, result, run, store, study
from xtl.plan import Plan
from xtl.store import commit, layout
from xtl.store.base import Store

__all__ = ["_not_stopping", "store", "study"]  # fixtures

TITLES = ["intermediate mnli seed 1", "target xnli after none seed 1", "target tydiqa after none seed 1",
          "target tatoeba after none"]  # fmt: skip


@pytest.mark.parametrize("title", TITLES)
def test_what_is_expected_is_all_that_is_pulled(
    title: str, study: tuple[Plan, Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, pulled, fetched = key(study[0], title), set(), []
    spec = study[0].stages[wanted].spec
    whole, real = Context.pull, commit.pull

    def pull(self: Context, parent: str, names: object = None) -> Path:
        every = names if names is not None else self.manifest(parent)["files"]
        pulled.update((parent, name) for name in every)  # type: ignore[attr-defined]
        return whole(self, parent, names)  # type: ignore[arg-type]

    def counted(opened: Store, manifest: dict, dest: Path, names: list[str], **more: object) -> Path:
        fetched.extend((manifest["key"], name) for name in names)
        return real(opened, manifest, dest, names, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Context, "pull", pull)
    monkeypatch.setattr(commit, "pull", counted)
    assert run(store, wanted) == 0
    files = {parent: commit.read_manifest(store, parent)["files"] for parent, _ in needs(spec)}  # type: ignore[index]
    expected = {
        (parent, name)
        for parent, names in needs(spec)
        for name in (files[parent] if names is None else names)
        if name in files[parent]
    }
    assert pulled == expected
    assert sorted(fetched) == sorted(expected), "each once"


def test_other_kinds_expect_nothing(study: tuple[Plan, Path]) -> None:
    kinds = {stage.kind: needs(stage.spec) for stage in study[0].stages.values()}
    assert kinds["fetch"] == kinds["reduce"] == []


def test_the_manifest_tells_what_a_gpu_waited_for(study: tuple[Plan, Path], store: Store) -> None:
    for title in TITLES[1], TITLES[3]:
        assert run(store, key(study[0], title)) == 0
    trained, read = (commit.read_manifest(store, key(study[0], title)) for title in (TITLES[1], TITLES[3]))
    assert trained is not None
    assert read is not None
    seconds = trained["seconds"]
    assert 0 < seconds["first_step"] < seconds["total"]
    assert trained["beside"] == pytest.approx(
        1 - (seconds["training"] + seconds["evaluating"]) / seconds["total"], abs=1e-3
    )
    assert "first_step" not in read["seconds"], "retrieval trains nothing"
    assert 0 < read["beside"] < 1


def test_the_second_stage_on_a_node_reads_no_file_from_the_store(
    study: tuple[Plan, Path], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = key(study[0], TITLES[1])
    monkeypatch.setattr(tokenised, "LEAST", 10)
    assert run(store, wanted) == 0
    expected = result(store, wanted)
    monkeypatch.setenv("XTL_CACHE", str(tmp_path / "cache"))
    opened: list[str] = []
    real = type(store).download

    def download(self: Store, blob: object, path: Path) -> None:
        opened.append(str(path))
        real(self, blob, path)  # type: ignore[arg-type]

    monkeypatch.setattr(type(store), "download", download)
    for turn in (1, 2):
        store.delete(layout.manifest_name(wanted))
        assert run(store, wanted) == 0
        assert result(store, wanted) == expected
        assert bool(opened) == (turn == 1)
        opened.clear()


def test_an_intermediate_uploads_while_it_evaluates(
    study: tuple[Plan, Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are on their way before dev is looked at, and are not sent again."""
    from jobs import finetune

    wanted, seen = key(study[0], TITLES[0]), []
    whole, real = finetune.predictions, commit.upload_folder

    def predictions(context: Context, *rest: object) -> object:
        context.uploaded()
        seen.append(sorted(x.name.rsplit("/", 1)[1] for x in store.list(layout.attempt_prefix(wanted, "one"))))
        return whole(context, *rest)  # type: ignore[arg-type]

    sent: list[str] = []
    upload = type(store).upload

    def counted(self: Store, path: Path, name: str) -> object:
        sent.append(name)
        return upload(self, path, name)

    monkeypatch.setattr(finetune, "predictions", predictions)
    monkeypatch.setattr(type(store), "upload", counted)
    assert run(store, wanted, "one") == 0
    assert real is commit.upload_folder
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(seen[0])
    files = [name for name in sent if "/attempts/" in name]
    assert len(files) == len(set(files)), "each file went up once"
