"""When a difference may be claimed, and how it is said where it may not. What shows a report needs no numpy for it."""

from __future__ import annotations

#: Of intervals.
LEVEL = 0.95
#: Seeds from which a contrast may carry a claim: below five no two-sided sign-flip test can come near 0.05 (three give
#: 0.25 at best; Keung et al. 2020, Dodge et al. 2020 and Card et al. 2020 on claims from few runs).
ENOUGH = 5


def too_few(seeds: int) -> str:
    """The one sentence for a reader where so many seeds cannot carry a claim; nothing where they can."""
    if seeds >= ENOUGH:
        return ""
    counted = "1 seed is" if seeds == 1 else f"{seeds} seeds are"
    return f"{counted} too few to claim a difference: below five no sign-flip test can reach 0.05."
