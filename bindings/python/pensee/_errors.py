"""Errors: one class for all, with the status of pensee.h; a few that are also Python's own kind of error."""

from __future__ import annotations

import enum
import errno

from . import _pensee


class Status(enum.IntEnum):
    """What went wrong. Tens tell the kind: 1x argument, 2x file, 3x memory, 4x unsupported, 5x state, 6x cancelled,
    9x a bug of the library's."""

    OK = 0
    BAD_ARGUMENT = 10
    FILE_NOT_FOUND = 20
    FILE_CORRUPT = 21
    FILE_IO = 22
    OUT_OF_MEMORY = 30
    UNSUPPORTED = 40
    BUSY = 50
    CONTEXT_FULL = 51
    NO_MORE_EVENTS = 52
    CANCELLED = 60
    STOPPED_BY_CALLBACK = 61
    TIMEOUT = 62
    INTERNAL = 90

    @property
    def text(self) -> str:
        """Meaning and remedy in one sentence."""
        return _pensee.status_text(self.value)


class Error(Exception):
    """A call of pensee failed. `str(error)` says what, where (file, tensor, byte) and what to try; `status` is the
    kind, to decide on."""

    status: Status

    def __init__(self, message: str, status: Status = Status.INTERNAL) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message, self.status))


class BadArgument(Error, ValueError):
    """An argument is out of range, not text, no token id, ... Also a ValueError."""

    def __init__(self, message: str, status: Status = Status.BAD_ARGUMENT) -> None:
        super().__init__(message, status)


class FileNotFound(Error, FileNotFoundError):
    """There is no such file. Also a FileNotFoundError."""

    def __init__(self, message: str, status: Status = Status.FILE_NOT_FOUND) -> None:
        super().__init__(message, status)
        self.errno = errno.ENOENT
        self.strerror = message


class OutOfMemory(Error, MemoryError):
    """An allocation failed, or memory_budget forbids it. Also a MemoryError."""

    def __init__(self, message: str, status: Status = Status.OUT_OF_MEMORY) -> None:
        super().__init__(message, status)


_CLASSES: dict[Status, type[Error]] = {
    Status.BAD_ARGUMENT: BadArgument,
    Status.FILE_NOT_FOUND: FileNotFound,
    Status.OUT_OF_MEMORY: OutOfMemory,
}


def error_of(status: int, message: str) -> Error:
    """The exception for a status of the library; the native module calls it."""
    try:
        kind = Status(status)
    except ValueError:  # a status newer than this package
        return Error(f"{message} (status {status})", Status.INTERNAL)
    return _CLASSES.get(kind, Error)(message, kind)
