"""When a difference may be claimed. Numbers alone, so that what shows a report needs no numpy."""

from __future__ import annotations

#: Of intervals.
LEVEL = 0.95
#: Seeds from which a contrast may carry a claim: below five no two-sided sign-flip test can come near 0.05 (three give
#: 0.25 at best; Keung et al. 2020, Dodge et al. 2020 and Card et al. 2020 on claims from few runs).
ENOUGH = 5
