"""What outlives a reload, in the vault: the deposit with its session key, and what was promised from it. Chats have
records of their own (chats/store.py).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tallystick_shared.deposit import Deposit as DepositRecord
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.messages import Bytes32
from tallystick_shared.recovery import OpenedRecord
from tallystick_shared.session import Resume

from ..ports import Vault

DEPOSIT = "deposit"
SENDING = "sending"
CLOSING = "closing"
ASIDE = "aside"
FOUND = "found"
NOTCHES = "notches"
T = TypeVar("T")


class Paid(msgspec.Struct, frozen=True, array_like=True):
    """What `Resume` holds, its amounts as decimal text."""

    signed: str
    owed: str
    in_flight: bool
    waiting: str = "0"
    unseen: str = "0"
    tickets: tuple[Bytes32, ...] = ()


class Sending(msgspec.Struct, frozen=True, array_like=True):
    """The transaction that opens the deposit and has no end yet. `nonce` is None until it was seen."""

    hash: str
    sender: bytes
    nonce: int | None = None


class Records:
    """The vault's content, typed. Also the `Store` seat of shared's User."""

    def __init__(self, vault: Vault, chain_id: int = 0) -> None:
        self._vault = vault
        self.chain_id = chain_id
        """Each chain has a deposit of its own."""

    def _here(self, name: str) -> str:
        return f"{name}:{self.chain_id}"

    async def deposit(self) -> DepositRecord | None:
        """Raises LocalError STORE_UNREADABLE."""
        data = await self._vault.get(self._here(DEPOSIT))
        return _read(data, DepositRecord) if data else None

    async def keep_deposit(self, record: DepositRecord) -> None:
        await self._vault.put(self._here(DEPOSIT), msgspec.msgpack.encode(record))

    async def forget_deposit(self) -> None:
        await self._vault.delete(self._here(DEPOSIT))
        await self._vault.delete(self._here(SENDING))
        await self._vault.delete(self._here(CLOSING))

    async def sending(self) -> Sending | None:
        """None where the deposit's transaction has its end."""
        data = await self._vault.get(self._here(SENDING))
        return _read(data, Sending) if data else None

    async def keep_sending(self, sending: Sending) -> None:
        await self._vault.put(self._here(SENDING), msgspec.msgpack.encode(sending))

    async def end_sending(self) -> None:
        await self._vault.delete(self._here(SENDING))

    async def closing(self) -> str:
        """The provider's transaction that closes the deposit; empty where none is known."""
        data = await self._vault.get(self._here(CLOSING))
        return data.decode() if data else ""

    async def keep_closing(self, transaction: str) -> None:
        await self._vault.put(self._here(CLOSING), transaction.encode())

    async def aside(self) -> list[DepositRecord]:
        """Deposits that were given up and may still be opened."""
        data = await self._vault.get(self._here(ASIDE))
        return _read(data, list[DepositRecord]) if data else []

    async def keep_aside(self, records: list[DepositRecord]) -> None:
        if records:
            await self._vault.put(self._here(ASIDE), msgspec.msgpack.encode(records))
        else:
            await self._vault.delete(self._here(ASIDE))

    async def found(self) -> list[OpenedRecord]:
        """Deposits of this browser's accounts whose keys it does not have: nothing secret."""
        data = await self._vault.get(self._here(FOUND))
        return _read(data, list[OpenedRecord]) if data else []

    async def keep_found(self, records: list[OpenedRecord]) -> None:
        if records:
            await self._vault.put(self._here(FOUND), msgspec.msgpack.encode(records))
        else:
            await self._vault.delete(self._here(FOUND))

    async def load(self, channel_id: bytes) -> Resume | None:
        data = await self._vault.get(_paid(channel_id))
        if not data:
            return None
        paid = _read(data, Paid)
        amounts = int(paid.waiting), int(paid.unseen)
        return Resume(int(paid.signed), int(paid.owed), paid.in_flight, *amounts, paid.tickets)

    async def save(self, channel_id: bytes, resume: Resume) -> None:
        amounts = (str(resume.waiting), str(resume.unseen))
        paid = Paid(str(resume.signed), str(resume.owed), resume.in_flight, *amounts, resume.tickets)
        await self._vault.put(_paid(channel_id), msgspec.msgpack.encode(paid))

    async def forget_paid(self, channel_id: bytes) -> None:
        await self._vault.delete(_paid(channel_id))

    async def notches(self) -> int:
        """How often the tally of the deposit in use was cut."""
        data = await self._vault.get(self._here(NOTCHES))
        return _read(data, int) if data else 0

    async def keep_notches(self, notches: int) -> None:
        await self._vault.put(self._here(NOTCHES), msgspec.msgpack.encode(notches))


def _paid(channel_id: bytes) -> str:
    return f"paid:{channel_id.hex()}"


def _read(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError:
        raise LocalError(Code.STORE_UNREADABLE) from None
