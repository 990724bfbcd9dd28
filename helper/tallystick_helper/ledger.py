"""The node's ledger: what it was promised and what it did for it, on disk before it serves on.

One SQLite file, WAL, `synchronous=FULL`, exclusive lock, exactly one connection in one thread (SQLite 3.7.0 to
3.51.2 can corrupt a WAL with two). Jobs queue up; the thread takes all that wait, runs each in a savepoint, commits
once and only then resolves them: alone a voucher is committed at once, under load they share a commit, and none
waits longer than the commit before its own.

Amounts are 16 big-endian bytes, so that SQLite compares them rightly as BLOBs. Amounts only rise. No prompt, answer
or address of a user's machine is ever written here.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from tallystick_shared import limits
from tallystick_shared.channel import Config
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.messages import ConfigBody, amount_bytes, amount_int, decode, encode
from tallystick_shared.voucher import Signed

from .ledger_earned import Earned, add
from .ledger_file import connect

ZERO = bytes(16)
NOBODY = bytes(20)
MAX_BATCH = 1000
T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True)
class ChannelRow:
    """A channel as AUTH proved it, with the highest voucher and what is owed (smallest units). `payee` and `closer` are
    those of its leaf, whatever the node announces by now.
    """

    channel_id: bytes
    config: Config
    leaf_salt: bytes
    proof: tuple[bytes, ...]
    voucher: Signed
    owed: int
    closing: bool
    ended: bool
    payee: bytes
    closer: bytes


@dataclass(frozen=True)
class RequestRow:
    """A request as it was opened; `finish` is None while it runs (or ran into a crash)."""

    digest: bytes
    units: int
    finish: str | None


@dataclass(frozen=True)
class SentRow:
    """A version of a claim or close: hash, `claim` or `close`, its channels, its bytes; `block` is None until it was
    seen mined.
    """

    transaction: bytes
    kind: str
    channels: list[bytes]
    raw: bytes
    block: int | None


def _channel(row: tuple[Any, ...]) -> ChannelRow:
    channel_id, config, leaf_salt, proof, amount, signature, owed, closing, ended, payee, closer = row
    path = tuple(proof[at : at + 32] for at in range(0, len(proof), 32))
    voucher = Signed(amount_int(amount), signature)
    body = Config.from_body(decode(ConfigBody, config))
    marks = bool(closing), bool(ended)
    return ChannelRow(channel_id, body, leaf_salt, path, voucher, amount_int(owed), *marks, payee, closer)


@dataclass(frozen=True)
class _Task:
    job: Job
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


Outcome = tuple[Any, Exception | None]


def _settle(tasks: list[_Task], outcomes: list[Outcome]) -> None:
    for task, (value, error) in zip(tasks, outcomes, strict=True):
        if task.future.done():
            continue
        if error is not None:
            task.future.set_exception(error)
        else:
            task.future.set_result(value)


class _Writer(threading.Thread):
    """The one thread that owns the connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__(name="ledger", daemon=True)
        self._db = db
        self.tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self.commits = 0

    def run(self) -> None:
        going = True
        while going and (task := self.tasks.get()) is not None:
            batch = [task]
            while len(batch) < MAX_BATCH and not self.tasks.empty():
                if (more := self.tasks.get()) is None:
                    going = False
                    break
                batch.append(more)
            self._resolve(batch, self._commit(batch))
        self._db.close()

    def _commit(self, batch: list[_Task]) -> list[Outcome]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            outcomes = [self._one(task.job) for task in batch]
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return [(None, LocalError(Code.STORE_UNREADABLE, reason=str(error)))] * len(batch)
        self.commits += 1
        return outcomes

    def _one(self, job: Job) -> Outcome:
        self._db.execute("SAVEPOINT job")
        try:
            return job(self._db), None
        except Exception as error:
            self._db.execute("ROLLBACK TO job")
            return None, error
        finally:
            self._db.execute("RELEASE job")

    @staticmethod
    def _resolve(batch: list[_Task], outcomes: list[Outcome]) -> None:
        """One wake-up of an event loop for the whole batch."""
        loop = batch[0].loop
        if all(task.loop is loop for task in batch):
            groups = [(loop, batch, outcomes)]
        else:
            groups = [(task.loop, [task], [outcome]) for task, outcome in zip(batch, outcomes, strict=True)]
        for owner, tasks, results in groups:
            if not owner.is_closed():
                owner.call_soon_threadsafe(_settle, tasks, results)


class Ledger:
    """The ledger of one node on one chain. Every method resolves only when what it wrote is durable."""

    def __init__(self, path: Path, payee: bytes = NOBODY, closer: bytes = NOBODY) -> None:
        """Opens and checks the file; channels of an older version that kept no payee are taken to be this one's. Raises
        LocalError STORE_UNREADABLE where it is damaged or held by another process.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self.path = path
        self._writer = _Writer(connect(path, payee, closer))
        self._writer.start()

    @property
    def commits(self) -> int:
        """Transactions so far."""
        return self._writer.commits

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `job` on the ledger's thread, inside a transaction; returns its result once that is committed."""
        loop = asyncio.get_running_loop()
        task = _Task(job, loop.create_future(), loop)
        self._writer.tasks.put(task)
        return cast(T, await task.future)

    async def snapshot(self) -> bytes:
        """The whole file as it is at one moment, while others go on writing."""
        return await self.run(lambda db: db.serialize())

    def close(self) -> None:
        """Writes what waits, then closes."""
        self._writer.tasks.put(None)
        self._writer.join()

    # channels

    async def store_channel(
        self, channel_id: bytes, config: Config, leaf_salt: bytes, proof: tuple[bytes, ...], payee: bytes, closer: bytes
    ) -> ChannelRow:
        """Keeps what a later claim needs; a channel that is known keeps its sums (and is live again, should a
        reorganisation have taken its end back). Of two proofs the shorter one stays, whichever came first: a tree may
        hold this payee in several places, and a claim from a deeper one would pay less than was served. One kept for
        another payee stays as it is, unless the root itself is the proof. Returns its row.
        """
        body, path = encode(config.body()), b"".join(proof)

        def job(db: sqlite3.Connection) -> ChannelRow:
            db.execute(
                "INSERT INTO channels VALUES (?,?,?,?,?,?,?,0,0,?,?) ON CONFLICT (id) DO NOTHING",
                (channel_id, body, leaf_salt, path, ZERO, b"", ZERO, payee, closer),
            )
            db.execute(
                "UPDATE channels SET leaf_salt = ?1, proof = ?2, payee = ?3, closer = ?4 WHERE id = ?5"
                " AND (?2 = x'' OR payee = ?3 AND length(?2) < length(proof))",
                (leaf_salt, path, payee, closer, channel_id),
            )
            db.execute("UPDATE channels SET ended = 0 WHERE id = ?", (channel_id,))
            return _channel(db.execute("SELECT * FROM channels WHERE id = ?", (channel_id,)).fetchone())

        return await self.run(job)

    async def channel(self, channel_id: bytes) -> ChannelRow | None:
        def job(db: sqlite3.Connection) -> ChannelRow | None:
            row = db.execute("SELECT * FROM channels WHERE id = ?", (channel_id,)).fetchone()
            return _channel(row) if row else None

        return await self.run(job)

    async def live_channels(self) -> list[ChannelRow]:
        """All that are not ended."""
        return await self.run(
            lambda db: [_channel(row) for row in db.execute("SELECT * FROM channels WHERE NOT ended")]
        )

    async def store_voucher(self, channel_id: bytes, voucher: Signed, owed: int = 0) -> int:
        """Keeps a verified voucher where it is above the highest, and what is owed. Returns the amount that is
        durable now.
        """
        amount, total = amount_bytes(voucher.amount), amount_bytes(owed)

        def job(db: sqlite3.Connection) -> int:
            db.execute(
                "UPDATE channels SET amount = ?1, signature = ?2 WHERE id = ?3 AND amount < ?1",
                (amount, voucher.signature, channel_id),
            )
            db.execute("UPDATE channels SET owed = ?1 WHERE id = ?2 AND owed < ?1", (total, channel_id))
            row = db.execute("SELECT amount FROM channels WHERE id = ?", (channel_id,)).fetchone()
            if row is None:
                raise KeyError(channel_id.hex())
            return amount_int(row[0])

        return await self.run(job)

    async def store_owed(self, channel_id: bytes, owed: int) -> None:
        """What is owed in all; it only rises."""
        value = amount_bytes(owed)
        await self.run(
            lambda db: db.execute("UPDATE channels SET owed = ?1 WHERE id = ?2 AND owed < ?1", (value, channel_id))
        )

    async def end_channel(self, channel_id: bytes) -> None:
        """The channel is ended on chain: its requests are forgotten, its totals stay."""

        def job(db: sqlite3.Connection) -> None:
            db.execute("UPDATE channels SET ended = 1 WHERE id = ?", (channel_id,))
            db.execute("DELETE FROM requests WHERE channel = ?", (channel_id,))

        await self.run(job)

    async def ended_channels(self) -> list[ChannelRow]:
        """Those that are marked as ended and have a voucher."""
        query = "SELECT * FROM channels WHERE ended AND amount > ?"
        return await self.run(lambda db: [_channel(row) for row in db.execute(query, (ZERO,))])

    async def revive(self, ids: list[bytes]) -> None:
        """They are not ended after all; those that are not ours are passed over."""
        rows = [(channel_id,) for channel_id in ids]
        await self.run(lambda db: db.executemany("UPDATE channels SET ended = 0 WHERE id = ?", rows))

    async def mark_closing(self, marks: dict[bytes, bool]) -> None:
        """Whether the payers of these channels asked for the end; those that are not ours are passed over."""
        rows = [(closing, channel_id) for channel_id, closing in marks.items()]
        await self.run(lambda db: db.executemany("UPDATE channels SET closing = ? WHERE id = ?", rows))

    # requests

    async def open_request(self, channel_id: bytes, request_id: bytes, digest: bytes) -> RequestRow | None:
        """Marks a request as begun, before the engine starts. None where it is new, else what is known of it. Of a
        channel's requests the last `limits.REQUESTS` are remembered, and those that still run.
        """

        def job(db: sqlite3.Connection) -> RequestRow | None:
            row = db.execute(
                "SELECT digest, units, finish FROM requests WHERE channel = ? AND id = ?", (channel_id, request_id)
            ).fetchone()
            if row:
                return RequestRow(*row)
            newest = db.execute("SELECT max(serial) FROM requests WHERE channel = ?", (channel_id,)).fetchone()[0] or 0
            db.execute(
                "INSERT INTO requests (channel, id, digest, serial) VALUES (?,?,?,?)",
                (channel_id, request_id, digest, newest + 1),
            )
            oldest = newest + 2 - limits.REQUESTS.value
            gone = "DELETE FROM requests WHERE channel = ? AND serial < ? AND finish IS NOT NULL"
            db.execute(gone, (channel_id, oldest))
            return None

        return await self.run(job)

    async def forget_request(self, channel_id: bytes, request_id: bytes) -> None:
        """Nothing was done for it, and it is over."""
        row = (channel_id, request_id)
        query = "DELETE FROM requests WHERE channel = ? AND id = ? AND finish IS NULL"
        await self.run(lambda db: db.execute(query, row))

    async def finish_request(
        self, channel_id: bytes, request_id: bytes, units: int, finish: str, owed: int, earned: Earned | None = None
    ) -> None:
        """A request's end, together with what is owed in all; what it earned is counted once."""
        value = amount_bytes(owed)

        def job(db: sqlite3.Connection) -> None:
            open_still = "SELECT 1 FROM requests WHERE channel = ? AND id = ? AND finish IS NULL"
            if earned is not None and db.execute(open_still, (channel_id, request_id)).fetchone():
                add(db, earned)
            db.execute(
                "UPDATE requests SET units = ?, finish = ? WHERE channel = ? AND id = ?",
                (units, finish, channel_id, request_id),
            )
            db.execute("UPDATE channels SET owed = ?1 WHERE id = ?2 AND owed < ?1", (value, channel_id))

        await self.run(job)

    # chain

    async def cursor(self) -> tuple[int, str] | None:
        """The last block whose logs were read, and its hash."""

        def job(db: sqlite3.Connection) -> tuple[int, str] | None:
            row = db.execute("SELECT block, hash FROM cursor").fetchone()
            return (row[0], row[1]) if row else None

        return await self.run(job)

    async def store_cursor(self, block: int, block_hash: str) -> None:
        await self.run(lambda db: db.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?, ?)", (block, block_hash)))

    async def sent(self, transaction: bytes, kind: str, channels: list[bytes], raw: bytes = b"") -> None:
        """A version of a claim or close is about to leave for the chain."""
        row = (transaction, kind, b"".join(channels), int(time.time()), raw)
        await self.run(
            lambda db: db.execute(
                "INSERT OR IGNORE INTO claims (hash, kind, channels, sent, raw) VALUES (?,?,?,?,?)", row
            )
        )

    async def unmined(self, since: int | None = None) -> list[SentRow]:
        """Every version whose end was not seen, oldest first; with `since`, also those mined in that block or later,
        which a reorganisation may take back.
        """

        def job(db: sqlite3.Connection) -> list[SentRow]:
            rows = db.execute(
                "SELECT hash, kind, channels, raw, block FROM claims WHERE block IS NULL OR block >= ? ORDER BY sent",
                (2**62 if since is None else since,),
            ).fetchall()
            return [SentRow(row[0], row[1], _ids(row[2]), row[3], row[4]) for row in rows]

        return await self.run(job)

    async def dropped(self, transaction: bytes) -> None:
        """It will never be mined: another version was, or the chain forgot it."""
        await self.run(lambda db: db.execute("DELETE FROM claims WHERE hash = ? AND block IS NULL", (transaction,)))

    async def mined(self, transaction: bytes, block: int, paid: int) -> None:
        """It was mined and paid that much."""
        row = (block, amount_bytes(paid), transaction)
        await self.run(lambda db: db.execute("UPDATE claims SET block = ?, paid = ? WHERE hash = ?", row))

    async def taken_back(self, transaction: bytes) -> None:
        """A reorganisation took it out of its block."""
        await self.run(
            lambda db: db.execute("UPDATE claims SET block = NULL, paid = NULL WHERE hash = ?", (transaction,))
        )


def _ids(joined: bytes) -> list[bytes]:
    return [joined[at : at + 32] for at in range(0, len(joined), 32)]
