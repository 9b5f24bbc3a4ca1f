"""The data sets: one file each, found by looking. `TASKS` has them in the papers' order.

Adding a data set is adding one file with a `TASK` in this package. What several of them need (formats, settings, the
canonical form, the hub) is in modules without one, or in `formats/`. No torch, and nothing is read on import.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from xtl.errors import UserError
from xtl.tasks.base import Task
from xtl.tasks.formats.listing import words

#: XTREME's nine as its tables have them, the nine intermediates by size, masked LM. Others come after these, by name.
_ORDER = words(
    "xnli pawsx udpos panx xquad mlqa tydiqa bucc2018 tatoeba "
    "anli_plus mnli qqp squad_v2 squad_v1 hellaswag ccg cosmosqa csqa mlm"
)


def _discover() -> Mapping[str, Task]:
    found: dict[str, Task] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg or module.name in _MACHINERY:
            continue
        task: Task = importlib.import_module(f"{__name__}.{module.name}").TASK
        found[task.key] = task
    rank = {key: position for position, key in enumerate(_ORDER)}
    return MappingProxyType(dict(sorted(found.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0]))))


_MACHINERY = {"base", "canonical", "hub", "presets", "source"}

TASKS: Mapping[str, Task] = _discover()


def get(key: str) -> Task:
    """The data set of this name. Raises UserError with the nearest name there is."""
    if key in TASKS:
        return TASKS[key]
    near = difflib.get_close_matches(key, TASKS, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else "."
    raise UserError(f"no data set is called {key!r}{hint} There are: {' '.join(TASKS)}")


def targets() -> list[Task]:
    """XTREME's nine target tasks, in its order."""
    return [task for task in TASKS.values() if task.target]
