"""Every mistake in a grid is told with its line, its value and what would be valid; one mistake is one problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grid import MINIMAL, problems, write
from xtl.errors import UserError
from xtl.grid import load

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
        "3: unknown key 'seed', did you mean 'seeds'; valid keys: name model seeds intermediates prompted targets "
        "contrasts train attention precision checkpoints setting data store threads cluster",
    ),
    ("tiny", "[./a.b, ./a-b]", "2: model: './a-b' and './a.b' would both be labelled '--a-b'"),
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
    ("[none]", "[nmli]", f"4: 'nmli' is no task, did you mean 'mnli'; tasks: {TASK_LIST}"),
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
    ("[none]", "[{name: none, tasks: [mnli]}]", "4: 'none' is an arm of its own: choose another name"),
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
    (
        "[none]",
        "[none, mnli]\ncontrasts: [{name: c, arm: mnli, against: none, tasks: [xnly]}]",
        "5: 'xnly' is none of what the contrast compares, did you mean 'xnli'; tasks: xnli",
    ),
    (
        "[none]",
        "[none, mnli]\ncontrasts: [{name: c, arm: mnli, against: none, languages: [fi]}]",
        "5: 'fi' is none of what the contrast compares; languages: " + XNLI_LIST,
    ),
    (
        "[none]",
        "[none, mnli]\ncontrasts: [{name: c, arm: mnli, against: none, languages: [de, de]}]",
        "5: 'de' is given twice",
    ),
    (
        "",
        "contrasts: [german]",
        "6: contrasts: 'german' is not a mapping; keys: name arm against model against_model tasks languages",
    ),
    (
        "",
        "prompted: {shots: 2}",
        "6: prompted: the grid has no such arm: name `prompted` among the intermediates, or leave this out",
    ),
    (
        "",
        "train: {lr: 1e-5}",
        "6: train.lr: a hyperparameter is of a role: write train.target.default.lr, train.intermediate.default.lr, or "
        "a task's name for default",
    ),
    ("", "precision: fp16", "6: precision: 'fp16' is none of: bf16 fp32, did you mean 'bf16'"),
    ("", "checkpoints: [best]", "6: checkpoints: 'best' is none of: last english-dev target-dev"),
    ("", "threads: 0", "6: threads: 0 must be at least 1"),
    ("", "threads: 1.5", "6: threads: 1.5 is not a whole number"),
    ("", "data: gs://bucket", "6: data: 'gs://bucket' is neither a folder nor s3://bucket/prefix"),
    ("", "store: s3://key:secret@bucket/x", "6: store: 's3://***@bucket/x' is neither a folder nor s3://bucket/prefix"),
    ("", "train: {preset: jaint}", "6: train.preset: 'jaint' is none of: jiant xtreme authors, did you mean 'jiant'"),
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
    ("", "cluster: {grace: 2 minutes}", "6: cluster.grace: '2 minutes' is not of the form 120s, 10m, 1h or 7d"),
    ("", "cluster: {ttl: 99999d}", "6: cluster.ttl: '99999d' is longer than Kubernetes counts (68 years)"),
    (
        "",
        "cluster: {imagePullSecrets: [My_Secret]}",
        "6: cluster.imagePullSecrets: 'My_Secret' names no Kubernetes object: lower-case letters, digits, inner '-' "
        "and '.'",
    ),
    ("", "cluster: {nodeSelector: {gpu: true}}", "6: cluster.nodeSelector: gpu: true is not a word: put it in quotes"),
    (
        "",
        "cluster: {nodeSelector: {a b: c}}",
        "6: cluster.nodeSelector: 'a b' is no label's name, such as topology.kubernetes.io/zone",
    ),
    (
        "",
        "cluster: {nodeSelector: {zone: -a}}",
        "6: cluster.nodeSelector: zone: '-a' is no label's value: at most 63 letters, digits, inner '-', '_', '.'",
    ),
    (
        "",
        "cluster: {tolerations: [{key: a, effect: NoRun}]}",
        "6: cluster.tolerations.effect: 'NoRun' is none of: NoSchedule PreferNoSchedule NoExecute",
    ),
    (
        "",
        "cluster: {tolerations: [{value: a}]}",
        "6: a toleration without 'key': write {key: nvidia.com/gpu, operator: Exists}",
    ),
    (
        "",
        "cluster: {store: {endpoint: 'https://me:secret@s3'}}",
        "6: cluster.store.endpoint: 'https://***@s3' is not of the form https://host:port, without a user or password",
    ),
    (
        "",
        "cluster: {store: {credentials: x}}",
        "6: unknown key 'credentials' in cluster.store; valid keys: secret endpoint region",
    ),
    ("", "cluster: {image: 'a b'}", "6: cluster.image: 'a b' is not of the form registry/name:tag"),
    ("", "name: b", "6: the key 'name' is already given on line 1"),
    ("", '"\\e[31m": 1', "6: unknown key '\\x1b[31m'"),
]


@pytest.mark.parametrize(("old", "new", "message"), ONE_MISTAKE, ids=lambda value: value[:40])
def test_one_mistake_is_one_problem(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = MINIMAL.replace(old, new, 1) if old else f"{MINIMAL}{new}\n"
    (problem,) = problems(write(tmp_path, text))
    if "\\x1b" in message:
        assert problem.startswith(message)
        return
    assert problem == message


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
def test_what_is_no_grid_at_all(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert any(problem.startswith(message) for problem in problems(write(tmp_path, text)))


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file; `xtl init "):
        load(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match="a folder; name the grid file in it"):
        load(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        load("g\0.yaml")


def test_fifty_typos_are_fifty_problems_in_the_order_of_the_file(tmp_path: Path) -> None:
    arms = [f"  - mnl{i:02}" for i in range(20)]
    contrasts = [f"  - {{name: c{i}, arm: mnl{i:02}, agains: none}}" for i in range(10)]
    targets = [f"    panx{i}: {{epochs: 1}}" for i in range(10)]
    hyper = [f"      lrr{i}: 1" for i in range(9)]
    lines = ["name: a", "modle: tiny", "seeds: [1]", "intermediates:", "  - none", *arms, "targets: all"]
    lines += ["contrasts:", *contrasts, "train:", "  target:", *targets, "    default:", *hyper]
    found = problems(write(tmp_path, "\n".join(lines)))
    assert len(found) == 50
    numbers = [int(problem.split(":")[0]) for problem in found]
    assert numbers == sorted(numbers)
    assert [lines[number - 1] for number in numbers] == ["modle: tiny", *arms, *contrasts, *targets, *hyper]


def test_a_mistake_does_not_hide_or_cause_another(tmp_path: Path) -> None:
    text = MINIMAL.replace("[none]", "[none, xnli@xx]") + "contrasts: [{name: c, arm: xnli@xx, against: none}]\n"
    assert [problem.split(":")[0] for problem in problems(write(tmp_path, text + "precision: x\n"))] == ["4", "7"]


def test_control_characters_reach_no_terminal(tmp_path: Path) -> None:
    """A grid may come from anybody: what it holds is escaped wherever a message repeats it."""
    text = MINIMAL.replace("[none]", '["\\e[31m"]') + 'contrasts: [{name: c, arm: "\\e[32m", against: "\\e[33m"}]\n'
    found = problems(write(tmp_path, text))
    assert len(found) == 3
    assert all(problem.isprintable() for problem in found)
