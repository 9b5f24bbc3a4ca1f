"""The error tree, and the one table of exit codes that code, templates and README share.

    XtlError                    the work failed                          command: 1   pod: 1 (retried)
      UserError                 the input can never work as it is        command: 2   pod: 42
        GridError               mistakes in a grid file, all of them
        DataError               a malformed row: FILE:LINE: what is wrong
        ModelError              a model that cannot be loaded whole
        MissingPackage          an extra is not installed
      StoreError                the store did not do what was asked      command: 1   pod: 1
        StoreRefused            credentials, bucket or rights are wrong  command: 2   pod: 1 (they may be put right)
        NotFound                no such object
        Conflict                a conditional write lost its race
        Corrupt                 bytes differ from the manifest's size or sha256
      TrainingFailed            the training itself went wrong (NaN)     command: 1   pod: 42
      Stopped                   SIGTERM came and the state is saved      pod: 143

Every message says what failed, the value, and what to do next. A user's mistake never shows a traceback.
"""

from __future__ import annotations

from typing import ClassVar

#: What a pod's (or stage process's) exit status means. `k8s/` templates and README are tested against it.
EXIT_COMMITTED = 0
EXIT_NEVER = 42
EXIT_STOPPED = 143
EXIT_RETRY = 1


class XtlError(Exception):
    """The work failed. `status` is the command line's exit status, `pod_status` a stage process's."""

    status: ClassVar[int] = 1
    pod_status: ClassVar[int] = EXIT_RETRY


class UserError(XtlError):
    """The input can never work as it is."""

    status = 2
    pod_status = EXIT_NEVER


class GridError(UserError):
    """Mistakes in a grid file. `problems` holds one `FILE:LINE: what` line each, in file order."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class DataError(UserError):
    """A malformed row. `file` is relative to the data folder; `where` a line number or a question id."""

    def __init__(self, file: str, where: int | str, what: str) -> None:
        self.file, self.where, self.what = file, where, what
        super().__init__(f"{file}:{where}: {what}")


class ModelError(UserError):
    """A model that cannot be loaded whole: no weights, or weights that are missing or left over."""


class MissingPackage(UserError):
    """A package of an extra is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'xtl[{extra}]'")


class StoreError(XtlError):
    """The store did not do what was asked of it."""


class StoreRefused(StoreError):
    """The store turns us away: credentials, bucket or rights are wrong. A pod tries again: they may be put right."""

    status = 2


class NotFound(StoreError):
    """No such object in the store."""


class Conflict(StoreError):
    """A conditional write (`If-None-Match`, `If-Match`) found something else there."""


class Corrupt(StoreError):
    """Bytes differ from the size or sha256 that the manifest promises."""


class TrainingFailed(XtlError):
    """The training itself went wrong, and would again: a loss that is not a number."""

    pod_status = EXIT_NEVER


class Stopped(XtlError):
    """SIGTERM came; the state is saved and the same stage can go on from there."""

    pod_status = EXIT_STOPPED
