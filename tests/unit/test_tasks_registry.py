"""The registry: order, published settings and sizes, nearest names, and that adding a data set is adding one file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import xtl.tasks
from xtl.errors import UserError
from xtl.tasks import TASKS, get, targets


def test_targets_stand_in_xtremes_order_with_their_languages() -> None:
    numbers = {task.key: len(task.languages) for task in targets()}
    assert numbers == {
        "xnli": 15,
        "pawsx": 7,
        "udpos": 33,
        "panx": 40,
        "xquad": 11,
        "mlqa": 7,
        "tydiqa": 9,
        "bucc2018": 4,
        "tatoeba": 36,
    }
    assert list(TASKS)[:9] == list(numbers)
    assert list(TASKS)[-1] == "mlm"


@pytest.mark.parametrize(
    ("key", "preset", "expected"),
    [
        ("xnli", "jiant", (1e-5, 2, 32, 256, 0.1, 0.01)),
        ("tydiqa", "jiant", (1e-5, 2, 16, 384, 0.1, 0.01)),
        ("xnli", "xtreme", (3e-5, 5, 32, 128, 0, 0.0)),
        ("pawsx", "xtreme", (2e-5, 5, 32, 128, 0, 0.0)),
        ("panx", "xtreme", (2e-5, 10, 32, 128, 0, 0.0)),
        ("mlqa", "xtreme", (3e-5, 3, 32, 384, 500, 0.0001)),
        ("squad_v2", "xtreme", (1e-5, 3, 32, 384, 0.1, 0.01)),
    ],
)
def test_published_settings(key: str, preset: str, expected: tuple[float, ...]) -> None:
    found = get(key).settings[preset]
    assert (found.lr, found.epochs, found.batch, found.length, found.warmup, found.weight_decay) == expected
    assert found.source


def test_borrowed_english_and_label_sets() -> None:
    lenders = {task.key: (task.train_from, task.dev_from) for task in TASKS.values() if task.train_from}
    assert lenders == {"xnli": ("mnli", None), "xquad": ("squad_v1", "squad_v1"), "mlqa": ("squad_v1", None)}
    assert get("anli_plus").labels == ("entailment", "neutral", "contradiction")
    assert get("panx").labels == ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
    assert get("ccg").labels is None


def test_every_training_language_has_a_size_but_where_the_user_brings_the_text() -> None:
    lacking = {key for key, task in TASKS.items() if set(task.train_languages) != set(task.train_sizes)}
    assert lacking == {"mlm"}


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"xnlj.*did you mean xnli"):
        get("xnlj")


def test_adding_a_data_set_is_adding_one_file(tmp_path: Path) -> None:
    (tmp_path / "polarity.py").write_text(
        "from xtl.tasks.base import Task\n"
        "TASK = Task(key='polarity', title='Polarity', form='pair', languages=('en',), train_languages=('en',),\n"
        "            listings=lambda folder: [], layout={})\n"
    )
    code = (
        "import xtl.tasks.base, sys, importlib\n"
        "package = sys.modules['xtl.tasks']\n"
        f"package.__path__.append({str(tmp_path)!r})\n"
        "found = list(package._discover())\n"
        "assert found[-1] == 'polarity' and len(found) == 20, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_registry_imports_nothing_heavy() -> None:
    heavy = "torch transformers datasets pyarrow pydantic yaml boto3 scipy numpy"
    code = f"import sys, xtl.tasks, xtl.cli.data; print(*[m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
    assert Path(xtl.tasks.__file__).name == "__init__.py"
