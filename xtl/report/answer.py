"""The answer in sentences, made from the contrasts' figures alone: what a reader of the first line must go away with.

A difference is claimed only where the contrast has five seeds or more, Holm's corrected p is below 0.05, and the
interval over seeds leaves zero out; otherwise the sentence says what was seen and why it claims nothing. Where the
interval over test items includes zero, a claim is one about these items.
"""

from __future__ import annotations

from collections.abc import Sequence

from xtl.report.differences import COMPARED, ContrastResult, Figure, Interval
from xtl.report.model import Answer
from xtl.scoring.claims import ENOUGH

LEVEL = 0.05
#: Tasks whose differences a sentence tells one by one.
MOST_TASKS = 4


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
    """One contrast: who beats whom, by how much, how surely and where; or why nothing can be said."""
    on = f" on {one.model}" if of_model and not one.base else ""
    figure = one.figure
    if figure is None:
        holes = [f"{task.task}: {task.hole}" for task in one.tasks if task.hole] or ["its tasks have no seed in common"]
        told = _listed(holes, most=3, by="; ")
        return f"{one.name}: {one.arm} against {one.against}{on}: no answer yet ({told}).{_among_tasks(one)}"
    where = _where(one, figure)
    if _is_nothing(one):
        exact = f"every paired difference is exactly 0 ({_seeds(figure)})"
        return f"{one.arm} shows no difference from {one.against}{on}: {exact}, {where}.{_degenerate(one)}"
    how = _how(figure)
    if claimed(one):
        items = "" if _sure_of_items(figure) else " Other test items might not show it: that interval includes 0."
        said = f"{one.arm} {_verb(one, figure, on)} ({how}), {where}.{items}{_degenerate(one)}"
    elif one.seeds < ENOUGH:
        few = f"{_seeds(figure, one.seeds)} {'is' if one.seeds == 1 else 'are'} too few to say"
        asked = f"whether {one.arm} differs from {one.against}{on} ({ENOUGH} are needed)"
        said = f"{few} {asked}: {figure.value:+.1f} points ({how}), {where}."
    else:
        seen = f"{figure.value:+.1f} points ({how}; Holm-corrected p {p_text(one.holm)})"
        said = f"{one.arm} shows no sure difference from {one.against}{on}: {seen}, {where}."
    return said + _among_tasks(one) + _without_retrieval(one) + _apart(one)


def _is_nothing(one: ContrastResult) -> bool:
    """Whether every language of every task has the same score under both arms at each seed: means alone can cancel."""
    return all(
        value == 0.0
        for task in one.tasks
        for language in task.languages
        if task.headline and language.language in task.headline.languages
        for value in language.difference.by_seed.values()
    )


def _verb(one: ContrastResult, figure: Figure, on: str) -> str:
    points = f"{abs(figure.value):.1f} points"
    if not _sure_of_items(figure):
        return f"is {points} {'ahead of' if figure.value > 0 else 'behind'} {one.against}{on}"
    if figure.value > 0:
        return f"beats {one.against}{on} by {points}"
    return f"falls {points} behind {one.against}{on}"


def _sure_of_items(figure: Figure) -> bool:
    """The interval over test items leaves zero out, or is not there."""
    return figure.items is None or not figure.items[0] <= 0.0 <= figure.items[1]


def _degenerate(one: ContrastResult) -> str:
    """Who predicts one class for everything can lose, or be equal, for that alone."""
    count = len(one.degenerate)
    runs = f"{count} run{'s' if count != 1 else ''}"
    return f" With care: {runs} behind it predict{'s' if count == 1 else ''} one class for everything." if count else ""


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


def _seeds(figure: Figure, count: int | None = None) -> str:
    count = len(figure.by_seed) if count is None else count
    return f"{count} seed{'s' if count != 1 else ''}"


def p_text(value: float | None) -> str:
    return "unknown" if value is None else "below 0.001" if value < 0.001 else f"{value:.3f}"


def _where(one: ContrastResult, figure: Figure) -> str:
    """Over which tasks and languages."""
    tasks = [task.task for task in one.tasks if not task.excluded]
    named = f" ({' '.join(tasks)})" if len(tasks) <= 4 else ""
    over = f"on {tasks[0]}" if len(tasks) == 1 else f"on average over {len(tasks)} tasks{named}"
    count = len(figure.languages)
    listed = f" ({' '.join(figure.languages)})" if count <= 8 else ""
    transfer = "" if "en" in figure.languages else "other than English "
    plural = "languages" if count != 1 else "language"
    text = f"{over} in {count} {plural} {transfer}".rstrip() + listed
    kinds = {kind for task in one.tasks for kind in task.by_kind if kind in COMPARED}
    return text + (", all seen in its intermediate" if kinds == {"seen"} else "")


def _among_tasks(one: ContrastResult) -> str:
    """Each task's own difference where they are few; else how many gain, and which most and least."""
    there = {task.task: task.headline for task in one.tasks if task.headline}
    if len(one.tasks) < 2 or not there:
        return ""
    if len(there) <= MOST_TASKS:
        return f" By task: {', '.join(_short(task, figure) for task, figure in there.items())}."
    order = sorted(there, key=lambda task: -there[task].value)
    gains = sum(figure.value > 0 for figure in there.values())
    most, least = (_short(task, there[task]) for task in (order[0], order[-1]))
    return f" {gains} of {len(there)} tasks gain: most {most}, least {least}."


def _short(name: str, figure: Figure) -> str:
    """`xnli +1.0 [+0.2, +1.8]`, without the interval where there is none."""
    interval = f" [{figure.seeds[0]:+.1f}, {figure.seeds[1]:+.1f}]" if figure.seeds else ""
    return f"{name} {figure.value:+.1f}{interval}"


def _without_retrieval(one: ContrastResult) -> str:
    """The mean without retrieval, which can carry an average alone (it hangs on the layer, see the sweep)."""
    return f" {_short('Without retrieval:', one.without_retrieval)}." if one.without_retrieval else ""


_KINDS = {
    "seen": "seen in its intermediate",
    "seen-by-both": "seen in both intermediates",
    "seen-by-baseline": "seen in the baseline's intermediate",
    "unseen": "not seen",
    "trained": "that the target was trained in",
}


def _apart(one: ContrastResult) -> str:
    """Kinds of languages apart from each other, where there are several."""
    kinds, over = one.overall_by_kind, ", over the tasks that have several kinds"
    if len(one.tasks) == 1:
        kinds, over = {kind: x for kind, x in one.tasks[0].by_kind.items() if kind in COMPARED}, ""
    if len(kinds) < 2:
        return ""
    told = [f"{_short('', x).strip()} in {_languages(x.languages)} ({_KINDS[kind]})" for kind, x in kinds.items()]
    return f" Apart{over}: {', '.join(told)}."


def _languages(languages: Sequence[str]) -> str:
    return " ".join(languages) if len(languages) <= 4 else f"{len(languages)} languages"


def _listed(items: Sequence[str], most: int, by: str = ", ") -> str:
    """The first few, and how many more there are."""
    more = len(items) - most
    return by.join([*items[:most], *([f"and {more} more"] if more > 0 else [])])


def cautions(results: Sequence[ContrastResult]) -> tuple[str, ...]:
    found = []
    few = [one for one in results if one.figure and one.seeds < ENOUGH]
    if few:
        numbers = dict.fromkeys(f"{one.name} ({one.seeds})" for one in few)
        found.append(
            f"Too few seeds to claim anything: {', '.join(numbers)}. Below five no sign-flip test can reach 0.05 "
            "(three seeds give 0.25 at best)."
        )
    holes = [one for one in results if any(task.hole and not task.excluded for task in one.tasks)]
    if holes:
        found.append(
            f"Not all results are there for {', '.join(dict.fromkeys(one.name for one in holes))}: what is missing is "
            "shown as missing, and no average is taken over it."
        )
    lacking = [
        f"{task.task} {' '.join(task.missing)} ({one.name})" for one in results for task in one.tasks if task.missing
    ]
    if lacking:
        found.append(
            f"Not compared, for one arm or both lack them: {_listed(list(dict.fromkeys(lacking)), most=6, by='; ')}."
        )
    excluded = dict.fromkeys(
        f"{task.task} ({one.name}: {task.hole})" for one in results for task in one.tasks if task.excluded
    )
    if excluded:
        found.append(f"Nothing to compare, so left out: {_listed(list(excluded), most=6, by='; ')}.")
    own = sorted({
        f"{task.task} in {' '.join(task.by_kind['own'].languages)} ({one.name})"
        for one in results for task in one.tasks if "own" in task.by_kind
    })  # fmt: skip
    if own:
        found.append(
            "Not zero-shot, for the intermediate trained this very task in them, so left out of the differences and "
            f"shown apart: {_listed(own, most=6, by='; ')}."
        )
    stuck = sorted({run for one in results for run in one.degenerate})
    if stuck:
        found.append(
            f"{len(stuck)} degenerate run{'s' if len(stuck) != 1 else ''} (one class predicted for everything), kept "
            f"in the averages: {_listed(stuck, most=4, by='; ')}."
        )
    if len(results) > 1 and any(one.holm is not None for one in results):
        found.append(
            f"p values are corrected by Holm's method for the {len(results)} contrasts that the grid names, with or "
            "without results; nothing else is tested."
        )
    return tuple(found)
