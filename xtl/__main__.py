"""The program `xtl`, and `python -m xtl`.

As process 1 of a container a program without a handler never hears SIGTERM: the kernel drops it. So one stands before
anything heavy is imported; a command with something to save puts its own in its place.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

from xtl.errors import EXIT_STOPPED


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(EXIT_STOPPED)


def main() -> None:
    if os.getpid() == 1:  # elsewhere SIGTERM ends it unasked
        signal.signal(signal.SIGTERM, _end)
    from xtl.cli import app

    app.main()


if __name__ == "__main__":
    main()
