"""The answer in sentences, made from the contrasts' figures alone: what a reader of the first line must go away with.

A difference is claimed only where the contrast has five seeds or more, Holm's corrected p is below 0.05, and the
interval over seeds leaves zero out; otherwise the sentence says what was seen and why it claims nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from xtl.report.contrasts import ContrastResult, Figure, Interval
from xtl.report.model import Answer
from xtl.scoring.seeds import ENOUGH

LEVEL = 0.05


def answer(results: Sequence[ContrastResult], setting: str = "zero-shot") -> Answer:
    """setting: the grid's; other than zero-shot, it is the first of the cautions."""
    if not results:
        return Answer(first="The grid names no contrast, so there is nothing to answer: add `contrasts`.",
                      sentences=(), cautions=())  # fmt: skip
    several = len({one.model for one in results}) > 1
    sentences = tuple(sentence(one, of_model=several) for one in results)
    warned = cautions(results)
    if setting != "zero-shot":
        warned = (f"The setting is {setting}: targets were trained in other languages than English, too.", *warned)
    return Answer(first=sentences[0], sentences=sentences, cautions=warned)


def claimed(one: ContrastResult) -> bool:
    """Whether the study carries the claim that the two arms differ."""
    figure = one.figure
    if figure is None or figure.seeds is None or one.holm is None or one.seeds < ENOUGH:
        return False
    return one.holm < LEVEL and not figure.seeds[0] <= 0.0 <= figure.seeds[1]


def sentence(one: ContrastResult, *, of_model: bool = False) -> str:
    """One contrast: who beats whom, by how much and how surely, where; or why nothing can be said."""
    on = f" on {one.model}" if of_model else ""
    figure = one.figure
    if figure is None:
        holes = [f"{task.task}: {task.hole}" for task in one.tasks if task.hole] or ["its tasks have no seed in common"]
        return f"{one.name}: {one.arm} against {one.against}{on}: no answer yet ({'; '.join(holes)})."
    where = _where(one, figure)
    if all(value == 0.0 for value in figure.by_seed.values()):
        return f"{one.arm} shows no difference from {one.against}{on}: it is exactly 0 under {_seeds(figure)}, {where}."
    how = _how(figure)
    if claimed(one):
        points = f"{abs(figure.value):.1f} points"
        verb = (
            f"beats {one.against}{on} by {points}" if figure.value > 0 else f"falls {points} behind {one.against}{on}"
        )
        return f"{one.arm} {verb} ({how}), {where}.{_apart(one)}"
    why = (
        f"too few seeds to say anything ({one.seeds}; {ENOUGH} are needed)"
        if one.seeds < ENOUGH
        else f"no difference shown (Holm-corrected p {_p(one.holm)})"
    )
    return f"{one.arm} against {one.against}{on}: {why}: {figure.value:+.1f} points ({how}), {where}.{_apart(one)}"


def _how(figure: Figure) -> str:
    """The two intervals, each with the noise that it is of."""
    parts = []
    if figure.seeds:
        parts.append(f"95 % interval {span(figure.seeds)} over {_seeds(figure)}")
    else:
        parts.append(_seeds(figure))
    if figure.items:
        parts.append(f"{span(figure.items)} over test items")
    return "; ".join(parts)


def span(interval: Interval) -> str:
    return f"{interval[0]:+.1f} to {interval[1]:+.1f}"


def _seeds(figure: Figure) -> str:
    count = len(figure.by_seed)
    return f"{count} seed{'s' if count != 1 else ''}"


def _p(value: float | None) -> str:
    return "unknown" if value is None else "below 0.001" if value < 0.001 else f"{value:.3f}"


def _where(one: ContrastResult, figure: Figure) -> str:
    """Over which tasks and languages."""
    tasks = [task.task for task in one.tasks]
    over = f"on {tasks[0]}" if len(tasks) == 1 else f"averaged over {len(tasks)} tasks ({' '.join(tasks)})"
    count = len(figure.languages)
    listed = f" ({' '.join(figure.languages)})" if count <= 8 else ""
    transfer = "" if "en" in figure.languages else "other than English "
    plural = "languages" if count != 1 else "language"
    text = f"{over} in {count} {plural} {transfer}".rstrip() + listed
    kinds = {kind for task in one.tasks for kind in task.by_kind if kind in ("seen", "unseen")}
    return text + (", all seen by an intermediate" if kinds == {"seen"} else "")


def _apart(one: ContrastResult) -> str:
    """Languages that the intermediates held text in apart from the others, where a task has both."""
    told = []
    for task in one.tasks:
        seen, unseen = task.by_kind.get("seen"), task.by_kind.get("unseen")
        if seen and unseen:
            told.append(
                f"{task.task}: {seen.value:+.1f} in the {len(seen.languages)} seen by an intermediate, "
                f"{unseen.value:+.1f} in the {len(unseen.languages)} unseen"
            )
    return f" Apart: {'; '.join(told)}." if told else ""


def cautions(results: Sequence[ContrastResult]) -> tuple[str, ...]:
    found = []
    few = [one for one in results if one.figure and one.seeds < ENOUGH]
    if few:
        least = min(one.seeds for one in few)
        found.append(
            f"{least} seed{'s' if least != 1 else ''} behind {_names(few)}: below five no sign-flip test can reach "
            "0.05 (three seeds give 0.25 at best), so nothing is claimed there."
        )
    holes = [one for one in results if any(task.hole for task in one.tasks)]
    if holes:
        found.append(f"Not all results are there for {_names(holes)}: holes are left out and shown as such.")
    own = sorted({
        f"{task.task} in {' '.join(task.by_kind['own'].languages)} ({one.name})"
        for one in results for task in one.tasks if "own" in task.by_kind
    })  # fmt: skip
    if own:
        found.append(f"Not zero-shot, so left out of the averages and shown apart: {'; '.join(own)}.")
    stuck = sorted({run for one in results for run in one.degenerate})
    if stuck:
        found.append(
            f"{len(stuck)} degenerate run{'s' if len(stuck) != 1 else ''} (one class predicted for everything), kept "
            f"in the averages: {'; '.join(stuck)}."
        )
    count = sum(one.holm is not None for one in results)
    if count > 1:
        found.append(
            f"p values are corrected for the {count} contrasts by Holm's method; what the grid does not name is not "
            "tested."
        )
    return tuple(found)


def _names(results: Sequence[ContrastResult]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in results))
