"""Kubernetes quantities: `500m`, `48Gi`, `1e3`. Exact, since they are compared."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def amount(quantity: str) -> Decimal:
    """The number that a quantity stands for (Kubernetes API conventions, "Resource quantities"). Raises ValueError."""
    text = str(quantity)
    binary, suffix = _BINARY.get(text[-2:]), text[-1:] if text[-1:] in _SUFFIXES else ""
    try:
        if binary is not None:
            return Decimal(text[:-2]) * 2**binary
        return Decimal(text.removesuffix(suffix)).scaleb(_SUFFIXES[suffix])
    except InvalidOperation:
        raise ValueError(f"{quantity!r} is no quantity such as 500m or 48Gi") from None
