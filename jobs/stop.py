"""SIGTERM, remembered: the handler must stand before the heavy imports, since as process 1 of a pod a process without
one never gets the signal, and torch alone takes seconds to import."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from xtl.errors import Stopped

_asked = threading.Event()


def install() -> None:
    """Remember SIGTERM (and Ctrl-C) instead of dying of it; call before importing anything heavy."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _remember)


def _remember(number: int, frame: FrameType | None) -> None:
    _asked.set()


def ask() -> None:
    """As if SIGTERM had come."""
    _asked.set()


def asked() -> bool:
    """True once the process has been told to stop."""
    return _asked.is_set()


def check() -> None:
    """Raises Stopped once the process has been told to stop: call it wherever it is safe to stop."""
    if _asked.is_set():
        raise Stopped("stopped by SIGTERM; the same stage can be started again")
