"""The answer in sentences, made from the contrasts' figures alone: what a reader of the first line must go away with.

A difference is claimed only where the contrast has five seeds or more, Holm's corrected p is below 0.05, and the
interval over seeds leaves zero out; otherwise the sentence says what was seen and why it claims nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from xtl.report.contrasts import ContrastResult, Figure, Interval
from xtl.report.model import Answer
from xtl.scoring.claims import ENOUGH
from xtl.scoring.counts import mean

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
    """One contrast: who beats whom, by how much, how surely and where; or why nothing can be said."""
    on = f" on {one.model}" if of_model else ""
    figure = one.figure
    if figure is None:
        holes = [f"{task.task}: {task.hole}" for task in one.tasks if task.hole] or ["its tasks have no seed in common"]
        told = _listed(holes, most=3, by="; ")
        return f"{one.name}: {one.arm} against {one.against}{on}: no answer yet ({told}).{_among_tasks(one)}"
    where = _where(one, figure)
    if all(value == 0.0 for value in figure.by_seed.values()):
        exact = f"every paired difference is exactly 0 ({_seeds(figure)})"
        return f"{one.arm} shows no difference from {one.against}{on}: {exact}, {where}."
    how = _how(figure)
    if claimed(one):
        points = f"{abs(figure.value):.1f} points"
        ahead = figure.value > 0
        verb = f"beats {one.against}{on} by {points}" if ahead else f"falls {points} behind {one.against}{on}"
        said = f"{one.arm} {verb} ({how}), {where}.{_of_items(figure)}"
    elif one.seeds < ENOUGH:
        few = f"{_seeds(figure, one.seeds)} {'is' if one.seeds == 1 else 'are'} too few to say"
        asked = f"whether {one.arm} differs from {one.against}{on} ({ENOUGH} are needed)"
        said = f"{few} {asked}: {figure.value:+.1f} points ({how}), {where}."
    else:
        seen = f"{figure.value:+.1f} points ({how}; Holm-corrected p {p_text(one.holm)})"
        said = f"{one.arm} shows no sure difference from {one.against}{on}: {seen}, {where}."
    return said + _among_tasks(one) + _without_retrieval(one) + _apart(one)


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
    tasks = [task.task for task in one.tasks]
    named = f" ({' '.join(tasks)})" if len(tasks) <= 4 else ""
    over = f"on {tasks[0]}" if len(tasks) == 1 else f"on average over {len(tasks)} tasks{named}"
    count = len(figure.languages)
    listed = f" ({' '.join(figure.languages)})" if count <= 8 else ""
    transfer = "" if "en" in figure.languages else "other than English "
    plural = "languages" if count != 1 else "language"
    text = f"{over} in {count} {plural} {transfer}".rstrip() + listed
    kinds = {kind for task in one.tasks for kind in task.by_kind if kind in ("seen", "unseen")}
    return text + (", all seen in an intermediate" if kinds == {"seen"} else "")


def _of_items(figure: Figure) -> str:
    """What a claim over seeds does not say: whether other test items would show it."""
    if figure.items and figure.items[0] <= 0.0 <= figure.items[1]:
        return " The interval over test items includes 0: other test items might not show it."
    return ""


def _among_tasks(one: ContrastResult) -> str:
    """How many of its tasks gain, and which most and least."""
    values = {task.task: task.headline.value for task in one.tasks if task.headline}
    if len(one.tasks) < 3 or len(values) < 2:
        return ""
    order = sorted(values, key=lambda task: -values[task])
    gains = sum(value > 0 for value in values.values())
    most, least = (f"{task} {values[task]:+.1f}" for task in (order[0], order[-1]))
    return f" {gains} of {len(values)} tasks gain: most {most}, least {least}."


def _without_retrieval(one: ContrastResult) -> str:
    """The mean without retrieval, which can carry an average alone (it hangs on the layer, see the sweep)."""
    from xtl.scoring.xtreme import targets

    values = {task.task: task.headline.value for task in one.tasks if task.headline}
    trained = [value for task, value in values.items() if str(targets()[task].group) != "retrieval"]
    if len(values) < len(one.tasks) or len(trained) in (0, len(values)):
        return ""
    return f" Without retrieval: {mean(trained):+.1f}."


def _apart(one: ContrastResult) -> str:
    """Languages that the intermediates held text in apart from the others, over the tasks that have both."""
    both = [task for task in one.tasks if {"seen", "unseen"} <= task.by_kind.keys()]
    if not both:
        return ""
    seen, unseen = (mean(task.by_kind[kind].value for task in both) for kind in ("seen", "unseen"))
    if len(both) == 1:
        where = [_languages(both[0].by_kind[kind].languages) for kind in ("seen", "unseen")]
        of = "" if len(one.tasks) == 1 else f", on {both[0].task}"
        text = f"{seen:+.1f} in {where[0]} (seen in an intermediate), {unseen:+.1f} in {where[1]} (not seen){of}"
    else:
        over = f"the {len(both)} tasks that have both"
        text = f"{seen:+.1f} in languages seen in an intermediate, {unseen:+.1f} in the others (means over {over})"
    return f" Apart: {text}."


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
    holes = [one for one in results if any(task.hole for task in one.tasks)]
    if holes:
        found.append(
            f"Not all results are there for {', '.join(dict.fromkeys(one.name for one in holes))}: what is missing is "
            "shown as missing, and no average is taken over it."
        )
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
    count = sum(one.holm is not None for one in results)
    if count > 1:
        found.append(
            f"p values are corrected by Holm's method for the {count} contrasts that the grid names and that have "
            "results; nothing else is tested."
        )
    return tuple(found)
