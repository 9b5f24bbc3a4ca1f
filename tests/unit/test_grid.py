"""Loading a grid: what a good one gives, and every mistake with its line, its value and what would be valid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtl.errors import GridError, UserError
from xtl.grid import Arm, Contrast, Grid, Part, Target, load

GOOD = """\
name: english-vs-german
model: FacebookAI/xlm-roberta-large
seeds: [1, 2, 3]
intermediates:
  - none
  - mnli
  - xnli@de
  - tydiqa@ko:1625
  - {name: multi, tasks: [mnli, squad_v2, hellaswag], mix: {cap: 131072}}
  - {name: mnli-mlm, tasks: [mnli, mlm@all]}
targets: all
contrasts:
  - {name: german, arm: xnli@de, against: mnli}
train:
  preset: jiant
  intermediate: {default: {}, mnli: {epochs: 2}, multi: {lr: 0}}
  target: {default: {}, tydiqa: {epochs: 3, lr: 1e-5}}
precision: bf16
checkpoints: [target-dev]
data: hub
store: s3://bucket/prefix/
cluster: {namespace: research, image: "ghcr.io/x/xtl:1", queue: team-a, gpu: {resource: nvidia.com/gpu}, cpu: 8,
          memory: 48Gi, grace: 120s, hub: {tokenSecret: hf, endpoint: "https://huggingface.co"},
          patch: [{op: add, path: /spec/x, value: 1}]}
"""

MINIMAL = "name: a\nmodel: tiny\nseeds: [1]\nintermediates: [none]\ntargets: [xnli]\n"

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes g.yaml into the current folder, so that messages begin with `g.yaml:LINE:`."""
    monkeypatch.chdir(tmp_path)

    def to_file(text: str | bytes) -> Path:
        path = Path("g.yaml")
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return to_file


def problems(path: Path) -> list[str]:
    with pytest.raises(GridError) as caught:
        load(path)
    assert caught.value.status == 2
    return caught.value.problems


def test_a_grid_in_the_terms_of_the_field(write: Write) -> None:
    grid = load(write(GOOD))
    assert grid.models == ("FacebookAI/xlm-roberta-large",)
    assert [arm.label for arm in grid.arms] == ["none", "mnli", "xnli-de", "tydiqa-ko-1625", "multi", "mnli-mlm"]
    assert grid.arms[3] == Arm(spelling="tydiqa@ko:1625", parts=(Part(task="tydiqa", languages=("ko",), cap=1625),))
    assert [part.task for part in grid.arms[4].parts] == ["mnli", "squad_v2", "hellaswag"]
    assert grid.arms[4].mix_cap == 131072
    assert len(grid.arms[5].parts[1].languages) == 40
    assert len(grid.targets) == 9
    assert grid.targets[1] == Target(task="pawsx", languages=("de", "en", "es", "fr", "ja", "ko", "zh"))
    assert {target.task for target in grid.targets if not target.train_languages} == {"bucc2018", "tatoeba"}
    assert grid.contrasts == (Contrast(name="german", arm="xnli@de", against="mnli"),)
    assert grid.checkpoints == ("last", "target-dev")
    assert grid.store == "s3://bucket/prefix"
    assert grid.cluster["gpu"] == {"resource": "nvidia.com/gpu"}
    assert grid.text == GOOD


def test_what_a_grid_need_not_say(write: Write) -> None:
    grid = load(write(MINIMAL))
    assert (grid.precision, grid.checkpoints, grid.setting, grid.data, grid.store, grid.threads) == (
        "bf16",
        ("last",),
        "zero-shot",
        "hub",
        None,
        1,
    )


def test_an_optional_key_without_a_value_is_as_good_as_none(write: Write) -> None:
    assert load(write(MINIMAL + "contrasts:\ntrain:\nstore:\ncluster:\n")).contrasts == ()


def test_folders_are_relative_to_the_grid_file(tmp_path: Path) -> None:
    (tmp_path / "grids").mkdir()
    path = tmp_path / "grids" / "g.yaml"
    path.write_text(MINIMAL.replace("tiny", "[./my-model, tiny, a/b]") + "data: ../data\nstore: /runs\n")
    grid = load(path)
    assert grid.models == (str(tmp_path / "grids" / "my-model"), "tiny", "a/b")
    assert (grid.data, grid.store) == (str(tmp_path / "data"), "/runs")


def test_languages_stand_in_the_task_s_order(write: Write) -> None:
    text = MINIMAL.replace("[none]", "[xnli@ru+de]").replace("[xnli]", "[{task: panx, languages: [sw, en]}]")
    grid = load(write(text))
    assert grid.arms[0].parts == (Part(task="xnli", languages=("de", "ru")),)
    assert grid.targets == (Target(task="panx", languages=("en", "sw")),)


def test_translate_train_must_be_said(write: Write) -> None:
    text = MINIMAL.replace("[xnli]", "[{task: xnli, train: [de, en]}]")
    assert problems(write(text)) == [
        "g.yaml:5: xnli trained on de+en is not zero-shot: train it on English, or write `setting: translate-train`, "
        "which every table will then say"
    ]
    assert load(write(text + "setting: translate-train\n")).targets[0].train_languages == ("de", "en")


TASK_LIST = "none xnli pawsx udpos panx tydiqa anli_plus mnli qqp squad_v2 squad_v1 hellaswag ccg cosmosqa csqa mlm"
XNLI_LIST = "ar bg de el en es fr hi ru sw th tr ur vi zh"
TARGET_LIST = "xnli pawsx udpos panx xquad mlqa tydiqa bucc2018 tatoeba"

# What replaces what in MINIMAL (a second word: what is appended), and the message that comes of it.
ONE_MISTAKE = [
    ("name: a", "name: A_b", "1: name: 'A_b' is no DNS label: lower-case letters, digits and inner '-', at most 63"),
    ("name: a", "name: 3", "1: name: 3 is not a word"),
    ("name: a\n", "", "1: a grid without 'name': write name: my-study"),
    ("name: a", "name:", "1: a grid without 'name': write name: my-study"),
    (
        "seeds",
        "seed",
        "3: unknown key 'seed', did you mean 'seeds'; valid keys: name model seeds intermediates targets contrasts "
        "train precision checkpoints setting data store threads cluster",
    ),
    ("[1]", "[1, 1]", "3: seeds: 1 is given twice"),
    ("[1]", "[-1]", "3: seeds: -1 must be at least 0"),
    ("[1]", "[one]", "3: seeds: 'one' is not a whole number"),
    ("[1]", "[true]", "3: seeds: true is not a whole number"),
    ("[1]", "1", "3: seeds: 1 is not a list"),
    ("[1]", "[]", "3: seeds: the list is empty"),
    (
        "tiny",
        "xlm-roberta-base",
        "2: model: 'xlm-roberta-base' is no model: a hub id such as FacebookAI/xlm-roberta-large, a folder such as "
        "./my-model, or tiny",
    ),
    ("[none]", "[xnli@xx]", f"4: 'xnli@xx': xnli has no 'xx'; languages: {XNLI_LIST}"),
    ("[none]", "[mnlii]", f"4: 'mnlii' is no task, did you mean 'mnli'; tasks: {TASK_LIST}"),
    ("[none]", "[tatoeba]", f"4: tatoeba has no training data; tasks: {TASK_LIST[5:]}"),
    (
        "[none]",
        "[xquad@de]",
        f"4: xquad has no training data of its own: it trains on squad_v1, write that; tasks: {TASK_LIST[5:]}",
    ),
    ("[none]", "[xnli@de+de]", "4: 'xnli@de+de': de given twice"),
    ("[none]", "[tydiqa:0]", "4: 'tydiqa:0': a sample of 0 examples; leave the task out, or write at least 1"),
    (
        "[none]",
        "[xnli@]",
        "4: 'xnli@' is no task: write TASK, TASK@LANG+LANG, TASK@all or TASK@LANG:EXAMPLES",
    ),
    ("[none]", "[mnli, mnli]", "4: the intermediate 'mnli' is given twice"),
    ("[none]", "[mnli, mnli@en]", "4: 'mnli@en' is the same as 'mnli': leave one out"),
    ("[none]", "[xnli@de+ru, xnli@ru+de]", "4: 'xnli@ru+de' is the same as 'xnli@de+ru': leave one out"),
    (
        "[none]",
        "[xnli@de, {name: xnli-de, tasks: [qqp]}]",
        "4: 'xnli-de' and 'xnli@de' would both be labelled 'xnli-de': give one another name",
    ),
    (
        "[none]",
        "[panx@ar+he+vi+id+jv+ms+tl+eu+ml+ta+te+af+nl+en+de+el+bn+hi+mr+ur]",
        "4: 'panx@ar+he+vi+id+jv+ms+tl+eu+ml+ta+te+af+nl+en+de+el+bn+... makes a label of 64 characters, which may "
        "have 63: write {name: ..., tasks: [...]}",
    ),
    ("[none]", "[{name: none, tasks: [mnli]}]", "4: 'none' is the baseline's name: choose another"),
    (
        "[none]",
        "[{tasks: [mnli]}]",
        "4: an intermediate without 'name': write {name: multi, tasks: [mnli, squad_v2]}",
    ),
    (
        "[none]",
        "[{name: x, tasks: [tydiqa@ko, tydiqa@ru]}]",
        "4: tydiqa is there twice: write its languages together, tydiqa@LANG+LANG",
    ),
    ("[none]", "[{name: x, tasks: [mnli], mix: {cap: 0}}]", "4: intermediates.mix.cap: 0 must be at least 1"),
    (
        "[none]",
        "[3]",
        "4: 3 is no intermediate: none, a task such as mnli or xnli@de, or {name: multi, tasks: [mnli, squad_v2]}",
    ),
    ("[xnli]", "[xnl]", f"5: 'xnl' is no target, did you mean 'xnli'; targets: {TARGET_LIST}"),
    ("[xnli]", "[mnli]", f"5: 'mnli' is no target, did you mean 'xnli'; targets: {TARGET_LIST}"),
    ("[xnli]", "[xnli@de+fr]", "5: 'xnli@de+fr' is no target; write {task: xnli, languages: [de, fr]}"),
    ("[xnli]", "[xnli, {task: xnli}]", "5: the target 'xnli' is given twice"),
    ("[xnli]", "every", "5: targets: 'every' is neither `all` nor a list such as [xnli, tydiqa]"),
    ("[xnli]", "[{languages: [de]}]", "5: a target without 'task': write {task: panx, languages: [en, sw]}"),
    ("[xnli]", "[{task: xnli, languages: [no]}]", f"5: xnli has no 'no'; languages: {XNLI_LIST}"),
    (
        "[xnli]",
        "[{task: xquad, train: [de]}]",
        "5: the training data of xquad has no 'de'; languages: en",
    ),
    ("[xnli]", "[{task: tatoeba, train: [de]}]", "5: tatoeba has no training data: leave 'train' out"),
    (
        "",
        "contrasts: [{name: c, arm: mnli, against: none}]",
        "6: 'mnli' names no intermediate of this grid; intermediates: none",
    ),
    ("", "contrasts: [{name: c, arm: none, against: none}]", "6: 'none' is compared with itself"),
    ("", "contrasts: [german]", "6: contrasts: 'german' is not a mapping; keys: name arm against"),
    ("", "precision: fp16", "6: precision: 'fp16' is none of: bf16 fp32, did you mean 'bf16'"),
    ("", "checkpoints: [best]", "6: checkpoints: 'best' is none of: last english-dev target-dev"),
    ("", "threads: 0", "6: threads: 0 must be at least 1"),
    ("", "threads: 1.5", "6: threads: 1.5 is not a whole number"),
    ("", "data: gs://bucket", "6: data: 'gs://bucket' is neither a folder nor s3://bucket/prefix"),
    ("", "store: s3://key:secret@bucket/x", "6: store: 's3://***@bucket/x' is neither a folder nor s3://bucket/prefix"),
    ("", "train: {preset: jaint}", "6: train.preset: 'jaint' is none of: jiant xtreme, did you mean 'jiant'"),
    ("", "train: {target: {default: {lr: fast}}}", "6: train.target.default.lr: 'fast' is not a number"),
    ("", "train: {target: {default: {lr: .inf}}}", "6: train.target.default.lr: inf is not a finite number"),
    ("", "train: {target: {default: {batch: 0}}}", "6: train.target.default.batch: 0 must be at least 1"),
    ("", "train: {target: {xnli: {epochs: 1, steps: 9}}}", "6: both epochs and steps are given: keep one"),
    (
        "",
        "train: {target: {tatoeba: {lr: 1e-5}}}",
        "6: tatoeba has no setting 'lr'; its settings: length layer micro_tokens",
    ),
    (
        "",
        "train: {target: {default: {learning_rate: 1}}}",
        "6: unknown key 'learning_rate' in train.target.default; valid keys: lr epochs steps batch length warmup "
        "weight_decay adam_eps clip micro_tokens stride question_length answer_length n_best mask layer neighbours",
    ),
    (
        "",
        "train: {target: {xnly: {epochs: 1}}}",
        f"6: unknown key 'xnly' in train.target, did you mean 'xnli'; valid keys: default {TARGET_LIST}",
    ),
    (
        "",
        "cluster: {gpu: {resorce: x}}",
        "6: unknown key 'resorce' in cluster.gpu, did you mean 'resource'; valid keys: resource simulated",
    ),
    ("", "cluster: {memory: lots}", "6: cluster.memory: 'lots' is not of the form 8, 500m or 48Gi"),
    ("", "cluster: {patch: [{path: /spec}]}", "6: a JSON Patch step needs 'op' and 'path'"),
    ("", "name: b", "6: the key 'name' is already given on line 1"),
    ("", '"\\e[31m": 1', "6: unknown key '\\x1b[31m'"),
]


@pytest.mark.parametrize(("old", "new", "message"), ONE_MISTAKE, ids=lambda value: value[:40])
def test_one_mistake_is_one_problem(write: Write, old: str, new: str, message: str) -> None:
    text = MINIMAL.replace(old, new, 1) if old else f"{MINIMAL}{new}\n"
    (problem,) = problems(write(text))
    if "\\x1b" in message:
        assert problem.startswith(f"g.yaml:{message}")
        return
    assert problem == f"g.yaml:{message}"


WHOLE = [
    ("", "1: the grid is empty: `xtl init` writes one to start from"),
    ("# nothing\n", "1: the grid is empty: `xtl init` writes one to start from"),
    ("hello", "1: the grid: 'hello' is not a mapping; keys: name model"),
    ("a: b\n\tc: d\n", "2: a tab: YAML is indented with spaces"),
    ("a: 1\nb: [\n", "3: not YAML: expected the node content, but found '<stream end>'"),
    ("a: 1\n---\nb: 2\n", "2: a second document"),
    ("a: &x 1\nb: *x\n", "2: an alias (*): write the value out"),
    ("a: 1\nb: \x01\n", "2: not text: the character U+0001"),
    (b"a: 1\nb: \xff\xfe\n", "2: not UTF-8 text: byte 0xff"),
    ("[" * 5000, "1: nested too deeply to be a grid"),
    ("a: !!python/object/apply:os.getcwd []\n", "1: the tag 'tag:yaml.org,2002:python/object/apply:os.getcwd'"),
    ("? [a]\n: 1\n", "1: a list or a mapping as a key: a key is a word"),
    ("name: " + "9" * 5000, "1: '9999999999999999999999999999999999999999' cannot be read as int"),
]


@pytest.mark.parametrize(("text", "message"), WHOLE, ids=lambda value: str(value[:20]))
def test_what_is_no_grid_at_all(write: Write, text: str | bytes, message: str) -> None:
    assert any(problem.startswith(f"g.yaml:{message}") for problem in problems(write(text)))


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file; `xtl init "):
        load(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match="a folder; name the grid file in it"):
        load(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        load("g\0.yaml")


def test_fifty_typos_are_fifty_problems_in_the_order_of_the_file(write: Write) -> None:
    arms = [f"  - mnl{i:02}" for i in range(20)]
    contrasts = [f"  - {{name: c{i}, arm: mnl{i:02}, agains: none}}" for i in range(10)]
    targets = [f"    panx{i}: {{epochs: 1}}" for i in range(10)]
    hyper = [f"      lrr{i}: 1" for i in range(9)]
    lines = ["name: a", "modle: tiny", "seeds: [1]", "intermediates:", "  - none", *arms, "targets: all"]
    lines += ["contrasts:", *contrasts, "train:", "  target:", *targets, "    default:", *hyper]
    found = problems(write("\n".join(lines)))
    assert len(found) == 50
    numbers = [int(problem.split(":")[1]) for problem in found]
    assert numbers == sorted(numbers)
    assert [lines[number - 1] for number in numbers] == ["modle: tiny", *arms, *contrasts, *targets, *hyper]


def test_a_mistake_does_not_hide_or_cause_another(write: Write) -> None:
    text = MINIMAL.replace("[none]", "[none, xnli@xx]") + "contrasts: [{name: c, arm: xnli@xx, against: none}]\n"
    assert [problem.split(":")[1] for problem in problems(write(text + "precision: x\n"))] == ["4", "7"]


@pytest.mark.parametrize(
    ("spelt", "read"), [("1e-5", 1e-5), ("1E-05", 1e-5), ("0", 0.0), ("1", 1.0), (".5", 0.5), ("3e-5", 3e-5)]
)
def test_numbers_as_papers_write_them(write: Write, spelt: str, read: float) -> None:
    assert load(write(MINIMAL + f"train: {{target: {{xnli: {{lr: {spelt}}}}}}}\n")).train.target["xnli"]["lr"] == read


WORDS = st.sampled_from(
    """name model seeds intermediates targets contrasts train precision checkpoints data store cluster target gpu hub
    default mnli xnli@de xnli none all tiny jiant task tasks languages lr epochs patch mix cap arm against""".split()  # noqa: SIM905
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(WORDS, VALUES, max_size=8))
def test_any_mapping_gives_a_grid_or_its_mistakes(tmp_path: Path, data: dict[str, object]) -> None:
    good = yaml.safe_load(GOOD)
    _grid_or_mistakes(tmp_path, yaml.safe_dump({**good, **data}, allow_unicode=True).encode())


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(GOOD)), junk=st.text(max_size=20) | st.binary(max_size=20))
def test_any_text_gives_a_grid_or_its_mistakes(tmp_path: Path, cut: int, junk: str | bytes) -> None:
    noise = junk.encode("utf-8", "surrogatepass") if isinstance(junk, str) else junk
    _grid_or_mistakes(tmp_path, GOOD[:cut].encode() + noise + GOOD[cut:].encode())


def _grid_or_mistakes(folder: Path, text: bytes) -> None:
    path = folder / "any.yaml"
    path.write_bytes(text)
    try:
        found: Grid | list[str] = load(path)
    except GridError as error:
        found = error.problems
    assert isinstance(found, Grid) or (found and all(problem.isprintable() for problem in found))
