"""A terminal user's store: private, durable, one user at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.store import UserStore
from tallystick_shared.channel import Config
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.session import Resume

CHANNEL = b"\7" * 32
CONFIG = Config(b"\1" * 20, b"\2" * 20, b"\3" * 32, bytes(20), 3600, b"\4" * 32)
DEPOSIT = Deposit(
    1, b"\5" * 20, b"\6" * 20, CONFIG.body(), b"\7" * 32, b"\x08" * 20, b"\x09" * 20, b"\x0a" * 20, str(10**30), 2**31
)


@pytest.fixture
def store(tmp_path: Path) -> UserStore:
    return UserStore(tmp_path, NativeCrypto())


async def test_amounts_beyond_64_bits_come_back(store: UserStore) -> None:
    assert await store.load(CHANNEL) is None
    kept = Resume(2**111 + 1, 2**110, True, 2**109, 2**108, (b"\1" * 32, b"\2" * 32))
    await store.save(CHANNEL, kept)
    assert await store.load(CHANNEL) == kept


async def test_amounts_of_an_earlier_version_are_read(store: UserStore, tmp_path: Path) -> None:
    """They say nothing of inputs that wait, nor of what was never seen, and hold no tickets."""
    older = {"signed": "7", "owed": "5", "in_flight": True}
    (tmp_path / "user" / f"{CHANNEL.hex()}.signed").write_bytes(msgspec.msgpack.encode(older))
    assert await store.load(CHANNEL) == Resume(7, 5, True)


async def test_files_are_private_and_whole(store: UserStore, tmp_path: Path) -> None:
    await store.save(CHANNEL, Resume(1, 1, False))
    store.save_deposit(DEPOSIT)
    files = list((tmp_path / "user").iterdir())
    assert len(files) == 2
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert (tmp_path / "user").stat().st_mode & 0o777 == 0o700


async def test_an_unreadable_amount_is_told(store: UserStore, tmp_path: Path) -> None:
    (tmp_path / "user" / f"{CHANNEL.hex()}.signed").write_bytes(b"\x93")
    with pytest.raises(LocalError) as caught:
        await store.load(CHANNEL)
    assert caught.value.code is Code.STORE_UNREADABLE


def test_deposits_are_found_and_forgotten(store: UserStore, tmp_path: Path) -> None:
    store.save_deposit(DEPOSIT)
    (tmp_path / "user" / "broken.deposit").write_bytes(b"x")
    assert store.deposits() == [DEPOSIT]
    store.forget(DEPOSIT)
    assert store.deposits() == []


def test_one_user_at_a_time(store: UserStore, tmp_path: Path) -> None:
    store.hold(DEPOSIT)
    other = UserStore(tmp_path, NativeCrypto())
    with pytest.raises(LocalError) as caught:
        other.hold(DEPOSIT)
    assert caught.value.code is Code.IN_USE_ELSEWHERE
    store.release(DEPOSIT)
    other.hold(DEPOSIT)
    other.release(DEPOSIT)


async def test_saves_that_meet_land_in_the_order_of_their_calls(store: UserStore) -> None:
    await asyncio.gather(*(store.save(CHANNEL, Resume(amount, amount, True)) for amount in range(1, 41)))
    assert await store.load(CHANNEL) == Resume(40, 40, True)
