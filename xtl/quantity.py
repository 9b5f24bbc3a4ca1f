"""Kubernetes quantities: `500m`, `48Gi`, `1e3`. Exact, since they are compared."""

from __future__ import annotations

import re
from decimal import Decimal

_POWERS_OF_TEN = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_POWERS_OF_TWO = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)([KMGTPE]i|[numkMGTPE]?)", re.ASCII)


def amount(quantity: str) -> Decimal:
    """The number that a quantity stands for (Kubernetes API conventions, "Resource quantities"). Raises ValueError."""
    match = _FORM.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity such as 500m or 48Gi")
    number, suffix = Decimal(match[1]), match[2]
    return number * 2 ** _POWERS_OF_TWO[suffix] if suffix in _POWERS_OF_TWO else number.scaleb(_POWERS_OF_TEN[suffix])
