"""The ledger that lies where a backup's is to go: what it knows, whether it is damaged, and how it is put aside.

Only SQLite itself says that a file is damaged. One that is locked, or that cannot be opened, is left alone. The checks
open the file for reading only, so that its WAL stays as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tallystick_shared.errors import Code, LocalError

ENDS = ("-shm", "-wal", "")
"""The file's companions go before it: SQLite deletes a WAL that it finds beside no file."""


class Damaged(LocalError):
    """STORE_UNREADABLE, because of what is in the file."""


@dataclass(frozen=True)
class Known:
    """(amount, owed) by channel, and the hashes of what was sent to the chain."""

    channels: dict[bytes, tuple[bytes, bytes]]
    sent: frozenset[bytes]


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger that nobody else has open, for reading. Raises LocalError NODE_RUNS where somebody has, Damaged,
    STORE_UNREADABLE.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as db:
            if (verdict := db.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
                raise Damaged(Code.STORE_UNREADABLE, path=str(path), reason=str(verdict))
            yield db
    except sqlite3.Error as error:
        raise _fault(path, error) from None


def _fault(path: Path, error: sqlite3.Error) -> LocalError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it is an extension
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LocalError(Code.NODE_RUNS, path=str(path), reason=str(error))
    kind = Damaged if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else LocalError
    return kind(Code.STORE_UNREADABLE, path=str(path), reason=str(error))


def check_ledger(path: Path, data: bytes) -> bool:
    """Is the ledger there damaged, or its file gone from beside its WAL? `data` is the backup's. Raises LocalError
    WOULD_LOSE where the one there knows more, NODE_RUNS, BAD_BACKUP, STORE_UNREADABLE.
    """
    here = _of_backup(data)
    if not path.exists():
        return any(one.exists() for one in _companions(path))
    try:
        with opened(path) as db:
            there = _known(db)
    except Damaged:
        return True
    more = [channel for channel, row in there.channels.items() if _exceeds(row, here.channels.get(channel))]
    sent = there.sent - here.sent
    if more or sent:
        counts = {"channels": len(more), "transactions": len(sent)}
        raise LocalError(Code.WOULD_LOSE, path=str(path), reason="its ledger is newer", **counts)
    return False


def _exceeds(row: tuple[bytes, bytes], other: tuple[bytes, bytes] | None) -> bool:
    return other is None or row[0] > other[0] or row[1] > other[1]


def _known(db: sqlite3.Connection) -> Known:
    """Nothing where it was never written. Raises sqlite3.Error."""
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return Known({}, frozenset())
    rows = db.execute("SELECT id, amount, owed FROM channels").fetchall()
    return Known({row[0]: (row[1], row[2]) for row in rows}, frozenset(_hashes(db)))


def _hashes(db: sqlite3.Connection) -> list[bytes]:
    return [row[0] for row in db.execute("SELECT hash FROM claims")]


def _of_backup(data: bytes) -> Known:
    """Raises LocalError BAD_BACKUP."""
    if not data:  # a file that was made, and never written
        return Known({}, frozenset())
    try:
        with closing(sqlite3.connect(":memory:")) as db:
            db.deserialize(_rollback_journal(data))
            return _known(db)
    except sqlite3.Error as error:
        raise LocalError(Code.BAD_BACKUP, reason=str(error)) from None


def _rollback_journal(serialized: bytes) -> bytes:
    """The same database, marked as one without a WAL, which memory cannot have (bytes 18 and 19 of the header)."""
    return serialized[:18] + b"\x01\x01" + serialized[20:]


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in ENDS if end]


def settle(path: Path) -> None:
    """Writes what a sound ledger's WAL holds into its file, so that the file alone can be replaced at once. Raises
    LocalError NODE_RUNS, STORE_UNREADABLE, and OSError.
    """
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise _fault(path, error) from None
    for companion in _companions(path):
        if companion.exists():
            raise LocalError(Code.STORE_UNREADABLE, path=str(companion), reason="it cannot be written into its ledger")


def put_aside(path: Path) -> Path:
    """Renames a damaged ledger with its WAL, over nothing that lies there. Returns its new name. Raises OSError."""
    aside, number = path.with_name(f"{path.name}.damaged"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    for end in ENDS:
        if (one := path.with_name(path.name + end)).exists():
            one.replace(aside.with_name(aside.name + end))
    return aside
