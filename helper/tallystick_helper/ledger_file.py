"""The ledger's file: its tables, and how one of an older version becomes one of this.

Version 2 keeps the bytes of what was sent, version 3 for each channel whom its vouchers pay, version 4 the order in
which a channel's requests began.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from tallystick_shared.errors import Code, LocalError

from . import ledger_earned

VERSION = 4
SCHEMA = """
CREATE TABLE IF NOT EXISTS channels (
    id BLOB PRIMARY KEY CHECK (length(id) = 32), config BLOB NOT NULL, leaf_salt BLOB NOT NULL, proof BLOB NOT NULL,
    amount BLOB NOT NULL CHECK (length(amount) = 16), signature BLOB NOT NULL,
    owed BLOB NOT NULL CHECK (length(owed) = 16), closing INTEGER NOT NULL DEFAULT 0, ended INTEGER NOT NULL DEFAULT 0,
    payee BLOB NOT NULL, closer BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    channel BLOB NOT NULL, id BLOB NOT NULL CHECK (length(id) = 16), digest BLOB NOT NULL,
    units INTEGER NOT NULL DEFAULT 0, finish TEXT, serial INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (channel, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_in_order ON requests (channel, serial);
CREATE TABLE IF NOT EXISTS claims (
    hash BLOB PRIMARY KEY, kind TEXT NOT NULL, channels BLOB NOT NULL, sent INTEGER NOT NULL, block INTEGER, paid BLOB,
    raw BLOB NOT NULL DEFAULT x''
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), block INTEGER NOT NULL, hash TEXT NOT NULL)
STRICT;
"""


def _changes(version: int, payee: bytes, closer: bytes) -> str:
    """What a file of that version lacks."""
    bytes_of_sent = "ALTER TABLE claims ADD COLUMN raw BLOB NOT NULL DEFAULT x'';"
    whom = (
        "ALTER TABLE channels ADD COLUMN payee BLOB NOT NULL DEFAULT x'';"
        "ALTER TABLE channels ADD COLUMN closer BLOB NOT NULL DEFAULT x'';"
        f"UPDATE channels SET payee = x'{payee.hex()}', closer = x'{closer.hex()}';"
    )
    order = "ALTER TABLE requests ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;"
    return "".join({1: bytes_of_sent, 2: whom, 3: order}[one] for one in range(version or VERSION, VERSION))


def write_private(path: Path, data: bytes) -> None:
    """A new file of mode 0600, on disk when this returns. Raises OSError, also where it is there already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def connect(path: Path, payee: bytes, closer: bytes) -> sqlite3.Connection:
    """Opens and checks the file; the channels of an older one that does not say whom they pay get `payee` and
    `closer`. Raises LocalError STORE_UNREADABLE.
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
        path.chmod(0o600)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = ON")
        verdict = db.execute("PRAGMA quick_check").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            verdict = f"version {version}"
        else:
            changes = _changes(version, payee, closer)
            tables = SCHEMA + ledger_earned.TABLE
            db.executescript("BEGIN;" + changes + tables + f"PRAGMA user_version = {VERSION}; COMMIT;")
    except (sqlite3.Error, OSError) as error:
        raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=str(error)) from None
    if verdict != "ok":
        raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=str(verdict))
    return db
