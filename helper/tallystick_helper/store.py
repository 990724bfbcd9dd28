"""What a terminal user keeps: its deposits with their session keys, and for each the highest amount it signed.

One folder of mode 0700, files of mode 0600. A file is replaced at once or not at all and is on disk before `save`
returns, because an amount must be kept before its signature leaves. A deposit is used by one process at a time.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from tallystick_shared.channel import Config, channels_domain
from tallystick_shared.crypto import Crypto
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import U32, U63, Bytes20, Bytes32, ConfigBody, decode, encode
from tallystick_shared.session import Resume

from .files import write_durably

T = TypeVar("T")


class _Kept(msgspec.Struct, frozen=True):
    """A Resume; amounts as text, because MessagePack's integers end at 64 bits."""

    signed: str
    owed: str
    in_flight: bool
    waiting: str = "0"
    unseen: str = "0"
    tickets: tuple[Bytes32, ...] = ()


class Found(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A deposit that was found again on chain after its session key was lost: enough to ask for its end and to take
    the rest back. `expiry` as it was opened (Unix seconds).
    """

    chain_id: U63
    channels: Bytes20
    config: ConfigBody
    expiry: U32
    transaction: str

    def channel_config(self) -> Config:
        return Config.from_body(self.config)

    def channel_id(self, crypto: Crypto) -> bytes:
        return self.channel_config().channel_id(crypto, channels_domain(self.chain_id, self.channels))


class UserStore:
    """Fills the user's Store seat, and keeps deposits."""

    def __init__(self, data_dir: Path, crypto: Crypto) -> None:
        self._folder = data_dir / "user"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._crypto = crypto
        self._locks: dict[bytes, int] = {}
        self._saving = asyncio.Lock()

    async def load(self, account_id: bytes) -> Resume | None:
        """Raises LocalError STORE_UNREADABLE."""
        path = self._folder / f"{account_id.hex()}.signed"
        if not path.exists():
            return None
        kept = self._read(path, _Kept)
        amounts = int(kept.waiting), int(kept.unseen)
        return Resume(int(kept.signed), int(kept.owed), kept.in_flight, *amounts, kept.tickets)

    async def save(self, account_id: bytes, resume: Resume) -> None:
        """Saves that meet wait for each other, in the order of their calls: the last one stays."""
        amounts = (str(resume.waiting), str(resume.unseen))
        kept = _Kept(str(resume.signed), str(resume.owed), resume.in_flight, *amounts, resume.tickets)
        async with self._saving:
            await asyncio.to_thread(write_durably, self._folder / f"{account_id.hex()}.signed", encode(kept))

    def _read(self, path: Path, kind: type[_Kept]) -> _Kept:
        try:
            return decode(kind, path.read_bytes())
        except (OSError, PeerError, ValueError) as error:
            raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=type(error).__name__) from None

    def save_deposit(self, deposit: Deposit) -> None:
        """Before the transaction that opens it leaves, and again with its hash."""
        write_durably(self._folder / f"{deposit.account_id(self._crypto).hex()}.deposit", encode(deposit))

    def deposits(self) -> list[Deposit]:
        """All that can be read, newest first."""
        return self._all("deposit", Deposit)

    def mark(self) -> tuple[tuple[str, int], ...]:
        """Another one once a deposit came, changed or went: file names with their times of change."""
        return tuple(sorted((path.name, path.stat().st_mtime_ns) for path in self._folder.glob("*.deposit")))

    def save_found(self, found: Found) -> None:
        write_durably(self._folder / f"{found.channel_id(self._crypto).hex()}.found", encode(found))

    def found(self) -> list[Found]:
        """What was found again, newest first."""
        return self._all("found", Found)

    def kept(self) -> list[Deposit | Found]:
        """Both, those with their key first."""
        return [*self.deposits(), *self.found()]

    def _all(self, end: str, kind: type[T]) -> list[T]:
        paths = sorted(self._folder.glob(f"*.{end}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        kept = []
        for path in paths:
            try:
                kept.append(decode(kind, path.read_bytes()))
            except PeerError:
                continue
        return kept

    def forget(self, deposit: Deposit | Found) -> None:
        """It is over and the money is back."""
        name = (deposit.account_id if isinstance(deposit, Deposit) else deposit.channel_id)(self._crypto).hex()
        for end in ("deposit", "signed", "found"):
            (self._folder / f"{name}.{end}").unlink(missing_ok=True)

    def hold(self, deposit: Deposit) -> None:
        """Keeps other processes off this deposit until `release`. Raises LocalError IN_USE_ELSEWHERE."""
        account_id = deposit.account_id(self._crypto)
        descriptor = os.open(self._folder / f"{account_id.hex()}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise LocalError(Code.IN_USE_ELSEWHERE) from None
        self._locks[account_id] = descriptor

    def release(self, deposit: Deposit) -> None:
        descriptor = self._locks.pop(deposit.account_id(self._crypto), None)
        if descriptor is not None:
            os.close(descriptor)
