"""contrasts.csv: every difference of the report in long form, one a row, for a spreadsheet or a program.

    contrast, model, arm, against   as the grid names them
    task        empty for the whole contrast, over all its tasks
    level       overall (over the tasks; with a kind, of its languages alone, over the tasks that have several kinds),
                without-retrieval (as overall, less Tatoeba and BUCC), task (what is compared of it), kind (a group of
                its languages), language, chosen-layer (retrieval, as `task`, at the chosen layer)
    kind        of the languages: seen (by the arm's intermediate alone), seen-by-both, seen-by-baseline, unseen,
                trained (the target itself was, under translate-train), english, own (the intermediate trained this
                task in it, so not zero-shot); empty where they are of several kinds
    language    one, or all that the figure is over with spaces between
    arm_score, against_score    of a language, means over the common seeds
    difference, seed_low, seed_high, item_low, item_high    points; intervals of 95 %
    p, sign_p, holm    of the paired t test, of the sign-flip test, and Holm's, which only the whole contrast has
    iqm, improvement   of the headline; overall the means of the tasks' own
    seeds       how many the figure is over
    setting     zero-shot or translate-train

A figure that is not there is an empty field, never a zero; a hole has its `task` row with no figures. Names are the
user's, and a spreadsheet takes text that begins with = + - @, a tab or a return for a formula: such text gets an
apostrophe before it. Names of a grid that `xtl` loads cannot begin so (scores.csv has no need of it); a spec by other
hands could.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from xtl.report.differences import ContrastResult, Figure
from xtl.report.model import Report

COLUMNS = ("contrast", "model", "arm", "against", "level", "task", "kind", "language", "arm_score",
           "against_score", "difference", "seed_low", "seed_high",
           "item_low", "item_high", "p", "sign_p", "holm", "iqm", "improvement", "seeds", "setting")  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def contrasts_csv(report: Report) -> bytes:
    """RFC 4180 in UTF-8. Figures are written so that they read back as the very same floats."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for one in report.contrasts:
        for row in _rows(one):
            told = {**row, "setting": report.setting}
            writer.writerow({name: _field(value) for name, value in told.items()})
    return out.getvalue().encode()


def _rows(one: ContrastResult) -> Iterator[dict[str, Any]]:
    own = {"contrast": one.name, "model": one.model, "arm": one.arm, "against": one.against}
    whole = {"iqm": one.overall_iqm, "improvement": one.overall_improvement}
    if len(one.tasks) > 1:
        yield {**own, "level": "overall", **_figure(one.overall), **whole, "holm": one.holm}
        if one.without_retrieval:
            yield {**own, "level": "without-retrieval", **_figure(one.without_retrieval)}
        for kind, figure in one.overall_by_kind.items():
            yield {**own, "level": "overall", "kind": kind, **_figure(figure)}
    for task in one.tasks:
        place = {**own, "task": task.task}
        holm = {"holm": one.holm} if len(one.tasks) == 1 else {}
        robust = {"iqm": task.iqm, "improvement": task.improvement}
        yield {**place, "level": "task", **_figure(task.headline), **robust, **holm}
        for kind, figure in task.by_kind.items():
            yield {**place, "level": "kind", "kind": kind, **_figure(figure)}
        if task.chosen_layer:
            yield {**place, "level": "chosen-layer", **_figure(task.chosen_layer)}
        for language in task.languages:
            scores = {"arm_score": language.arm, "against_score": language.against}
            yield {**place, "level": "language", "kind": language.kind, **scores, **_figure(language.difference)}


def _figure(figure: Figure | None) -> dict[str, Any]:
    if figure is None:
        return {"seeds": 0}
    low, high = figure.seeds or (None, None)
    item_low, item_high = figure.items or (None, None)
    return {
        "language": " ".join(figure.languages),
        "difference": figure.value,
        "seed_low": low,
        "seed_high": high,
        "item_low": item_low,
        "item_high": item_high,
        "p": figure.p,
        "sign_p": figure.sign_p,
        "seeds": len(figure.by_seed),
    }


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return repr(value)
