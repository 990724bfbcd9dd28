"""The ledger: durable before it says so, sums that only rise, one owner."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick_helper.ledger import Ledger, SentRow
from tallystick_shared import limits
from tallystick_shared.channel import Config
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.voucher import Signed

CONFIG = Config(b"\1" * 20, b"\2" * 20, b"\3" * 32, bytes(20), 3600, b"\4" * 32)
CHANNEL = b"\7" * 32
REQUEST = b"\x08" * 16
DIGEST = b"\x09" * 32
PAYEE, CLOSER = b"\x0c" * 20, b"\x0d" * 20
ROOT = Path(__file__).parents[2]


def voucher(amount: int) -> Signed:
    return Signed(amount, amount.to_bytes(65, "big"))


def older(version: int) -> str:
    """What makes a file of today one of that version."""
    lacks = {
        3: "DROP INDEX requests_in_order; ALTER TABLE requests DROP COLUMN serial;",
        2: "ALTER TABLE channels DROP COLUMN payee; ALTER TABLE channels DROP COLUMN closer;",
        1: "ALTER TABLE claims DROP COLUMN raw;",
    }
    return "".join(lacks[one] for one in lacks if one >= version) + f"PRAGMA user_version = {version};"


@pytest.fixture
async def ledger(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


async def test_a_channel_comes_back_as_it_was_proven(ledger: Ledger) -> None:
    proof = (b"\5" * 32, b"\6" * 32)
    stored = await ledger.store_channel(CHANNEL, CONFIG, b"\x0a" * 32, proof, PAYEE, CLOSER)
    assert stored == await ledger.channel(CHANNEL)
    assert (stored.config, stored.leaf_salt, stored.proof) == (CONFIG, b"\x0a" * 32, proof)
    assert (stored.payee, stored.closer) == (PAYEE, CLOSER)
    assert (stored.voucher, stored.owed, stored.closing, stored.ended) == (Signed(0, b""), 0, False, False)
    assert await ledger.channel(b"\0" * 32) is None


async def test_vouchers_and_owed_only_rise(ledger: Ledger) -> None:
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)
    huge = 2**111 + 5
    assert await ledger.store_voucher(CHANNEL, voucher(300), owed=310) == 300
    assert await ledger.store_voucher(CHANNEL, voucher(255), owed=255) == 300
    assert await ledger.store_voucher(CHANNEL, voucher(huge)) == huge
    await ledger.store_owed(CHANNEL, 256)
    row = await ledger.channel(CHANNEL)
    assert row is not None
    assert (row.voucher, row.owed) == (voucher(huge), 310)


async def test_proving_a_channel_again_keeps_its_sums(ledger: Ledger) -> None:
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)
    await ledger.store_voucher(CHANNEL, voucher(7), owed=9)
    row = await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)
    assert (row.voucher.amount, row.owed) == (7, 9)


async def test_the_shorter_proof_of_a_channel_stays(ledger: Ledger) -> None:
    near, far = (b"\5" * 32,), (b"\6" * 32, b"\7" * 32, b"\x08" * 32)
    await ledger.store_channel(CHANNEL, CONFIG, b"\x0a" * 32, far, PAYEE, CLOSER)
    for salt, proof in ((b"\x0b" * 32, near), (b"\x0a" * 32, far), (b"\x0c" * 32, (b"\x09" * 32,))):
        row = await ledger.store_channel(CHANNEL, CONFIG, salt, proof, PAYEE, CLOSER)
        assert (row.leaf_salt, row.proof) == (b"\x0b" * 32, near)


async def test_whom_a_channel_pays_stays_unless_its_root_proves_another(ledger: Ledger) -> None:
    path, other = (b"\5" * 32, b"\6" * 32), b"\x0e" * 20
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), path, PAYEE, CLOSER)
    kept = await ledger.store_channel(CHANNEL, CONFIG, b"\1" * 32, path[:1], other, CLOSER)
    assert (kept.payee, kept.closer, kept.leaf_salt, kept.proof) == (PAYEE, CLOSER, bytes(32), path)
    nearer = await ledger.store_channel(CHANNEL, CONFIG, b"\1" * 32, path[:1], PAYEE, other)
    assert (nearer.payee, nearer.closer, nearer.leaf_salt, nearer.proof) == (PAYEE, other, b"\1" * 32, path[:1])
    alone = await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), other, other)
    assert (alone.payee, alone.closer, alone.proof) == (other, other, ())


async def test_a_voucher_for_an_unknown_channel_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(KeyError):
        await ledger.store_voucher(CHANNEL, voucher(1))
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)


async def test_a_failed_job_does_not_take_its_neighbours_down(ledger: Ledger) -> None:
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)
    outcomes = await asyncio.gather(
        ledger.store_voucher(CHANNEL, voucher(1)),
        ledger.store_voucher(b"\0" * 32, voucher(2)),
        ledger.store_voucher(CHANNEL, voucher(3)),
        return_exceptions=True,
    )
    assert outcomes[0] in (1, 3)
    assert isinstance(outcomes[1], KeyError)
    assert outcomes[2] == 3


async def test_many_at_once_share_commits(ledger: Ledger) -> None:
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)
    before = ledger.commits
    await asyncio.gather(*(ledger.store_voucher(CHANNEL, voucher(n)) for n in range(1, 501)))
    assert ledger.commits - before < 100


async def test_a_request_is_opened_once(ledger: Ledger) -> None:
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)
    assert await ledger.open_request(CHANNEL, REQUEST, DIGEST) is None
    known = await ledger.open_request(CHANNEL, REQUEST, b"\0" * 32)
    assert known is not None and (known.digest, known.finish) == (DIGEST, None)
    await ledger.finish_request(CHANNEL, REQUEST, 12, "stop", 99)
    known = await ledger.open_request(CHANNEL, REQUEST, DIGEST)
    assert known is not None and (known.units, known.finish) == (12, "stop")
    row = await ledger.channel(CHANNEL)
    assert row is not None and row.owed == 99


async def test_of_very_many_requests_the_last_are_remembered(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody fills the disk with requests that cost next to nothing."""
    monkeypatch.setattr(limits, "REQUESTS", replace(limits.REQUESTS, value=3))
    ids, other = [bytes([number]) * 16 for number in range(6)], b"\x0f" * 32
    await ledger.open_request(other, ids[0], DIGEST)
    for request_id in ids:
        await ledger.open_request(CHANNEL, request_id, DIGEST)
        assert await ledger.open_request(CHANNEL, request_id, DIGEST) is not None
        if request_id not in (ids[0], ids[5]):
            await ledger.finish_request(CHANNEL, request_id, 12, "stop", 0)
    kept = await ledger.run(
        lambda db: db.execute("SELECT channel, id FROM requests ORDER BY serial, channel").fetchall()
    )
    # The first one still runs: what it comes to is to be counted at its end.
    assert sorted(kept) == sorted([(other, ids[0]), *((CHANNEL, request_id) for request_id in (ids[0], *ids[3:]))])
    await ledger.forget_request(CHANNEL, ids[5])
    assert await ledger.open_request(CHANNEL, ids[5], DIGEST) is None


async def test_an_ended_channel_is_not_live_and_forgets_its_requests(ledger: Ledger) -> None:
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)
    await ledger.open_request(CHANNEL, REQUEST, DIGEST)
    await ledger.mark_closing({CHANNEL: True, b"\0" * 32: True})
    assert [row.closing for row in await ledger.live_channels()] == [True]
    await ledger.end_channel(CHANNEL)
    assert await ledger.live_channels() == []
    assert await ledger.open_request(CHANNEL, REQUEST, DIGEST) is None


async def test_the_cursor_is_one(ledger: Ledger) -> None:
    assert await ledger.cursor() is None
    await ledger.store_cursor(5, "0xaa")
    await ledger.store_cursor(4, "0xbb")
    assert await ledger.cursor() == (4, "0xbb")


async def test_a_second_owner_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        Ledger(tmp_path / "ledger.sqlite")
    assert caught.value.code is Code.STORE_UNREADABLE


async def test_it_is_written_through_and_private(ledger: Ledger, tmp_path: Path) -> None:
    def settings(db: sqlite3.Connection) -> tuple[str, int]:
        return db.execute("PRAGMA journal_mode").fetchone()[0], db.execute("PRAGMA synchronous").fetchone()[0]

    assert await ledger.run(settings) == ("wal", 2)
    assert (tmp_path / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"SQLite format 3\0" + os.urandom(4096))
    with pytest.raises(LocalError) as caught:
        Ledger(path)
    assert caught.value.code is Code.STORE_UNREADABLE


async def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LocalError):
        Ledger(path)


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.helper.test_ledger import CHANNEL, CLOSER, CONFIG, PAYEE, voucher
from tallystick_helper.ledger import Ledger, SentRow

async def main():
    ledger = Ledger(Path(sys.argv[1]))
    await ledger.store_channel(CHANNEL, CONFIG, bytes(32), (), PAYEE, CLOSER)
    row = await ledger.channel(CHANNEL)
    amount = row.voucher.amount
    while True:
        amount += 1
        await ledger.store_voucher(CHANNEL, voucher(amount), owed=amount)
        sys.stdout.write(f"{amount}\\n")
        sys.stdout.flush()

asyncio.run(main())
"""


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.full)])
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, kills: int) -> None:
    path, last = tmp_path / "ledger.sqlite", 0
    for round_number in range(kills):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        for _ in range(20 + 7 * round_number):
            last = int(await process.stdout.readline())
        process.kill()
        # What it said before it died counts too; a last line may be cut short.
        rest = (await process.stdout.read()).split(b"\n")[:-1]
        await process.wait()
        last = int(rest[-1]) if rest else last
        ledger = Ledger(path)
        row = await ledger.channel(CHANNEL)
        ledger.close()
        assert row is not None
        assert row.voucher.amount >= last
        assert row.voucher == voucher(row.voucher.amount)
        last = row.voucher.amount


async def test_a_claim_is_kept_from_before_it_leaves_until_it_is_deep(ledger: Ledger) -> None:
    first, second = b"\1" * 32, b"\2" * 32
    await ledger.sent(first, "claim", [CHANNEL, REQUEST * 2], b"raw one")
    await ledger.sent(second, "claim", [CHANNEL, REQUEST * 2], b"raw two")
    rows = await ledger.unmined()
    assert rows[0] == SentRow(first, "claim", [CHANNEL, REQUEST * 2], b"raw one", None)
    await ledger.mined(second, 7, 10)
    await ledger.dropped(first)
    await ledger.dropped(second)  # mined: it stays
    assert await ledger.unmined() == await ledger.unmined(since=8) == []
    assert [row.block for row in await ledger.unmined(since=7)] == [7]
    await ledger.taken_back(second)
    assert [row.block for row in await ledger.unmined()] == [None]


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_the_channels_of_an_older_file_are_the_nodes_of_today(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.sqlite"
    made = Ledger(path)
    await made.store_channel(CHANNEL, CONFIG, bytes(32), (), b"\x0e" * 20, b"\x0e" * 20)
    await made.store_voucher(CHANNEL, voucher(300), owed=310)
    made.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(older(version))
    for payee in (PAYEE, b"\x0f" * 20):  # a second opening changes nothing
        again = Ledger(path, payee, CLOSER)
        (row,) = await again.live_channels()
        whom = (b"\x0e" * 20,) * 2 if version == 3 else (PAYEE, CLOSER)
        assert (row.payee, row.closer, row.voucher, row.owed) == (*whom, voucher(300), 310)
        again.close()


async def test_a_file_of_the_version_before_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    made = Ledger(path)
    await made.sent(b"\1" * 32, "claim", [CHANNEL])
    made.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(older(1))
    again = Ledger(path)
    assert await again.unmined() == [SentRow(b"\1" * 32, "claim", [CHANNEL], b"", None)]
    await again.sent(b"\2" * 32, "close", [CHANNEL], b"raw")
    assert [row.raw for row in await again.unmined()] == [b"", b"raw"]
    again.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LocalError) as caught:
        Ledger(path)
    assert caught.value.code is Code.STORE_UNREADABLE
