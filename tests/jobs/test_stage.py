"""Stages as processes run them: the same bytes twice, interrupted or not, by SIGTERM, SIGKILL or a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel

from jobs import stage, stop, train
from jobs.tiny import train_tokenizer
from tests import smallworld
from tests.grids import grid
from xtl import estimate
from xtl.errors import StoreError
from xtl.inventory import look
from xtl.local import prepare
from xtl.plan import Plan, build
from xtl.store import commit, layout, open_store, resume
from xtl.store.base import Store

GRID = """\
name: stages
model: tiny
seeds: [1]
intermediates: [none, mnli]
targets: [xnli, tydiqa, tatoeba]
checkpoints: [last, english-dev, target-dev]
train:
  intermediate: {default: {lr: 1e-3, epochs: 2, batch: 8, length: 32}}
  target: {default: {lr: 1e-3, epochs: 3, batch: 8, length: 32}, tydiqa: {question_length: 8, stride: 8}}
precision: fp32
data: ./data
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A plan whose fetch stages are done, and the store they are in: copied by tests that go on from there."""
    folder = tmp_path_factory.mktemp("study")
    smallworld.write(folder / "data")
    found = grid(GRID, folder)
    plan = build(found, look(found))
    store = open_store(str(folder / "store"))
    prepare(plan, store)
    for one in plan.stages.values():
        if one.kind == "fetch":
            assert run(store, one.key) == 0
    return plan, folder / "store"


@pytest.fixture
def store(study: tuple[Plan, Path], tmp_path: Path) -> Store:
    subprocess.run(["cp", "-r", str(study[1]), str(tmp_path / "store")], check=True)
    return open_store(str(tmp_path / "store"))


@pytest.fixture(autouse=True)
def _not_stopping() -> object:
    yield
    stop._asked.clear()


def run(store: Store, key: str, attempt: str | None = None) -> int:
    return stage.main(["--store", store.url, "--key", key, *(["--attempt", attempt] if attempt else [])])


def key(plan: Plan, title: str) -> str:
    return next(one.key for one in plan.stages.values() if one.title == title)


def result(store: Store, key: str) -> dict[str, object]:
    """What must be equal: every file's sha256, and the metrics."""
    manifest = commit.read_manifest(store, key)
    assert manifest is not None
    files = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    return {"files": files, "metrics": manifest["metrics"]}


def process(store: Store, key: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.stage", "--store", store.url, "--key", key, "--attempt", "first"]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)


def wait(until: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize(
    "title", ["intermediate mnli seed 1", "target xnli after none seed 1", "target tatoeba after none"]
)
def test_the_same_stage_twice_gives_the_same_bytes(
    title: str, study: tuple[Plan, Path], store: Store, tmp_path: Path
) -> None:
    wanted = key(study[0], title)
    assert run(store, wanted) == 0
    first = result(store, wanted)
    store.delete(layout.manifest_name(wanted))
    assert run(store, wanted) == 0
    assert result(store, wanted) == first
    assert first["files"]
    manifest = commit.read_manifest(store, wanted) or {}
    found = estimate.done(manifest)
    assert found is not None
    assert found.whole
    counted = ["evaluated", "steps", "trained"] if "tatoeba" not in title else []  # for the estimates of later plans
    assert sorted(name for name, count in manifest["counted"].items() if count > 0) == counted


def test_told_to_stop_before_it_began_a_stage_asks_no_store(tmp_path: Path) -> None:
    empty = open_store(str(tmp_path / "store"))
    assert run(empty, "0" * 64) == 42
    stop.ask()
    assert run(empty, "0" * 64) == 143


def test_a_committed_stage_is_left_alone(study: tuple[Plan, Path], store: Store) -> None:
    wanted = key(study[0], "target tatoeba after none")
    assert run(store, wanted, "one") == 0
    assert run(store, wanted, "two") == 0
    manifest = commit.read_manifest(store, wanted)
    assert manifest is not None
    assert manifest["attempt"] == "one"


@pytest.mark.parametrize("title", ["intermediate mnli seed 1", "target xnli after none seed 1"])
@pytest.mark.parametrize("crash_at", [1, 7, 11])
def test_a_crash_goes_on_from_the_last_state_to_the_same_bytes(
    title: str, crash_at: int, study: tuple[Plan, Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved at every step, killed at one: the rerun starts there, and ends with the bytes of a run that was not."""
    wanted = key(study[0], title)
    assert run(store, wanted) == 0
    expected = result(store, wanted)
    store.delete(layout.manifest_name(wanted))

    monkeypatch.setattr(train, "SAVE_SECONDS", -1.0)
    whole, steps = train.Trainer._step, []

    def counting(self: train.Trainer, ready: train.Ready) -> None:
        steps.append(self.step)
        if len(steps) == crash_at + 1:
            raise RuntimeError("the node went away")
        whole(self, ready)

    monkeypatch.setattr(train.Trainer, "_step", counting)
    assert run(store, wanted) == 1
    assert run(store, wanted) == 0
    assert steps[crash_at + 1] == crash_at, "the second attempt did not go on from the saved step"
    assert result(store, wanted) == expected
    assert not list(store.list(layout.resumes_prefix(wanted))), "resume states are removed at commit"


@pytest.mark.parametrize("where", ["first", "training", "dev", "evaluating"])
def test_told_to_stop_anywhere_it_saves_and_the_rerun_gives_the_same_bytes(
    where: str, study: tuple[Plan, Path], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = key(study[0], "target xnli after none seed 1")
    assert run(store, wanted) == 0
    expected = result(store, wanted)
    store.delete(layout.manifest_name(wanted))

    whole, predict = train.Trainer._step, train.micro_batches

    def step(self: train.Trainer, ready: train.Ready) -> None:
        if (where == "training" and self.step == 8) or (where == "dev" and self.step == 5):
            stop.ask()
        if where == "evaluating" and self.step == self.steps - 1:
            stop.ask()
        whole(self, ready)

    monkeypatch.setattr(train.Trainer, "_step", step)
    if where == "first":
        stop.ask()
    assert run(store, wanted) == 143
    assert predict is train.micro_batches
    stop._asked.clear()
    monkeypatch.setattr(train.Trainer, "_step", whole)
    assert bool(list(store.list(layout.resumes_prefix(wanted)))) == (where != "first")
    assert run(store, wanted) == 0
    assert result(store, wanted) == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_real_signal_in_a_real_process(number: signal.Signals, tmp_path: Path) -> None:
    smallworld.write(tmp_path / "data")
    text = GRID.replace("epochs: 3", "epochs: 200").replace("checkpoints: [last, english-dev, target-dev]\n", "")
    found = grid(text.replace("[xnli, tydiqa, tatoeba]", "[xnli]"), tmp_path)
    plan = build(found, look(found))
    store = open_store(str(tmp_path / "store"))
    prepare(plan, store)
    for one in plan.stages.values():
        if one.kind == "fetch":
            assert run(store, one.key) == 0
    wanted = key(plan, "target xnli after none seed 1")
    assert run(store, wanted) == 0
    expected = result(store, wanted)
    store.delete(layout.manifest_name(wanted))

    child = process(store, wanted)
    wait(lambda: (commit.get_json(store, layout.progress_name(wanted)) or {}).get("state") == "training")
    child.send_signal(number)
    assert child.wait(60) == {signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    assert commit.read_manifest(store, wanted) is None
    assert run(store, wanted) == 0
    assert result(store, wanted) == expected


def test_a_damaged_parent_is_named_and_counts_as_not_done(study: tuple[Plan, Path], store: Store) -> None:
    parent, child = key(study[0], "fetch tatoeba"), key(study[0], "target tatoeba after none")
    manifest = commit.read_manifest(store, parent)
    assert manifest is not None
    name = manifest["files"]["de/test.de.parquet"]["name"]
    path = Path(store.url) / name
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert run(store, child) == 1
    assert commit.read_manifest(store, parent) is None
    assert run(store, child) == 1, "its parent has to run first"
    assert run(store, parent) == 0
    assert run(store, child) == 0


def test_a_spec_that_does_not_hash_to_its_key_never_runs(study: tuple[Plan, Path], store: Store) -> None:
    wanted = key(study[0], "target tatoeba after none")
    body = json.loads(store.get(layout.spec_name(wanted))[0])
    body["spec"]["settings"]["length"] = 9
    store.put(layout.spec_name(wanted), json.dumps(body).encode())
    assert run(store, wanted) == 42
    assert run(store, "0" * 64) == 42


def test_a_loss_that_is_no_number_fails_at_once_with_its_step(
    study: tuple[Plan, Path], store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from jobs.families.classification import Classification

    whole, calls = Classification.loss, []

    def broken(self: Classification, *args: object) -> object:
        calls.append(1)
        return whole(self, *args) * (float("nan") if len(calls) == 3 else 1.0)  # type: ignore[arg-type]

    monkeypatch.setattr(Classification, "loss", broken)
    assert run(store, key(study[0], "target xnli after none seed 1")) == 42
    assert "the loss is nan at step 3 of 18" in capfd.readouterr().err


def test_checkpoints_are_chosen_and_recorded(study: tuple[Plan, Path], store: Store) -> None:
    for title, chosen_on in (
        ("target xnli after none seed 1", "English dev"),
        ("target tydiqa after none seed 1", "1 examples held out of train"),
    ):
        wanted = key(study[0], title)
        assert run(store, wanted) == 0
        manifest = commit.read_manifest(store, wanted)
        assert manifest is not None
        metrics = manifest["metrics"]
        assert metrics["chosen"]["english-dev"]["chosen_on"] == chosen_on
        assert set(metrics["scores"]["last"]) == set(metrics["scores"]["english-dev"])
        assert metrics["seen"] == ["en"]
    assert metrics["trained_on"]["held_out"] == 1
    assert "target-dev" not in metrics["scores"], "TyDiQA's dev set is its test set"
    assert metrics["chosen"]["target-dev"] == {"not_chosen": "dev is what is scored"}


def test_a_state_that_the_store_does_not_take_costs_no_stage_and_no_disk(
    study: tuple[Plan, Path], store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every other save fails; none leaves its gigabytes in scratch, saved or not."""
    whole, sizes = resume.save, []

    def flaky(store: Store, key: str, attempt: str, step: int, folder: Path) -> None:
        if step % 2:
            raise StoreError("the store is away")
        whole(store, key, attempt, step, folder)
        sizes.append(len(list(folder.parent.glob("*/*.safetensors"))))

    monkeypatch.setattr(resume, "save", flaky)
    monkeypatch.setattr(train, "SAVE_SECONDS", -1.0)
    assert run(store, key(study[0], "intermediate mnli seed 1")) == 0
    assert len(sizes) > 3
    assert set(sizes) == {3}


def test_a_length_that_the_model_has_no_positions_for_is_refused(tmp_path: Path) -> None:
    """The tokenizer of a folder may not know; on a GPU the encoder would die of it without a word."""
    texts = smallworld.sentences("en")
    tokenizer = train_tokenizer(texts * 2, vocab_size=200)
    tokenizer.model_max_length = 10**30
    shape = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=24, **shape)
    BertModel(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    smallworld.write(tmp_path / "data")
    text = GRID.replace("tiny", "./bert").replace("[none, mnli]", "[none]").replace("[xnli, tydiqa, tatoeba]", "[xnli]")
    found = grid(text, tmp_path)
    plan = build(found, look(found))
    store = open_store(str(tmp_path / "store"))
    prepare(plan, store)
    *fetches, target, _ = plan.stages
    assert [run(store, one) for one in fetches] == [0] * len(fetches)
    assert run(store, target, "first") == 42
    log = store.get(layout.log_name(target, "first"))[0].decode()
    assert "length: 32 word pieces, but the model reads at most 24" in log
