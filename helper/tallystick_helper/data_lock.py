"""The lock of a data directory: a node holds it for its whole life, a restore while it works.

It ends with the process, however that ends, and needs no admin listener. The system's own lock on an open file keeps
it: `flock`, on Windows `locking`.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from tallystick_shared.errors import Code, LocalError

FILE = ".node.lock"
_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


class DataLock:
    """Held from `take` to `leave`, also as a context."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._file: BinaryIO | None = None

    @property
    def held(self) -> bool:
        """Is it this one's?"""
        return self._file is not None

    def take(self) -> None:
        """Raises LocalError NODE_RUNS where somebody holds it, STORE_UNREADABLE where it cannot be kept."""
        path = self._data_dir / FILE
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "r+b")
        except OSError as error:
            raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=error.strerror) from None
        try:
            _lock(file)
        except OSError as error:
            file.close()
            if error.errno in _HELD:
                raise LocalError(Code.NODE_RUNS, data_dir=str(self._data_dir)) from None
            raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=error.strerror) from None
        self._file = file

    def leave(self) -> None:
        """The file itself stays: who removes it while another opens it would let two in."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def __enter__(self) -> DataLock:
        self.take()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()


def _lock(file: BinaryIO) -> None:
    """At once or not at all. Raises OSError."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
