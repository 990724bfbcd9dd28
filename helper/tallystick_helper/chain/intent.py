"""One thing that is to happen on chain, exactly once: everything that is sent for it bears the same nonce.

Its versions differ only in price, so at most one of them can ever be mined.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_bytes, to_int

from .transaction import Fees, Transaction, read_transaction

LIMIT = 10  # times the first price: what is dearer than that is left to wait


class Journal(Protocol):
    """What must outlive this process: every version, before it leaves."""

    async def keep(self, transaction: bytes, raw: bytes) -> None:
        """Returns once the version is durable; only then is it sent."""

    async def refused(self, transaction: bytes) -> None:
        """The chain would not have this version: it never was on its way."""


class NoJournal:
    """For a process that waits for the end itself."""

    async def keep(self, transaction: bytes, raw: bytes) -> None:
        pass

    async def refused(self, transaction: bytes) -> None:
        pass


NO_JOURNAL = NoJournal()


@dataclass(frozen=True)
class Receipt:
    """A mined transaction: hash (32 bytes), block, gas, the price paid per gas (wei), the address of a created
    contract, raw logs.
    """

    transaction: bytes
    block: int
    gas_used: int
    gas_price: int
    contract: bytes | None
    logs: list[dict[str, Any]]

    @classmethod
    def read(cls, transaction: bytes, found: dict[str, Any]) -> Receipt:
        """From JSON-RPC. Raises LocalError TRANSACTION_FAILED where it was mined and reverted."""
        if to_int(found["status"]) != 1:
            raise LocalError(Code.TRANSACTION_FAILED, reason="reverted", transaction=transaction.hex())
        created = found.get("contractAddress")
        return cls(
            transaction,
            to_int(found["blockNumber"]),
            to_int(found["gasUsed"]),
            to_int(found.get("effectiveGasPrice") or "0x0"),
            to_bytes(created) if created else None,
            found["logs"],
        )


@dataclass(frozen=True)
class Version:
    """One signing of an intent."""

    raw: bytes
    transaction: bytes


@dataclass(eq=False)
class Intent:
    """`wanted` bears the newest fees; `versions` are those that left, or may have, oldest first. `limit`: wei per gas
    that no version goes above for its own sake; `worth`: wei that it brings, 0 where that is not known. `displaced`:
    something else waits under its nonce.
    """

    wanted: Transaction
    limit: int
    versions: list[Version] = field(default_factory=list)
    displaced: bool = False
    worth: int = 0

    @classmethod
    def new(cls, wanted: Transaction) -> Intent:
        return cls(wanted, wanted.fees.price * LIMIT)

    @classmethod
    def read(cls, crypto: Crypto, raws: list[bytes], sender: bytes) -> Intent:
        """What an earlier process kept of one nonce. Raises ValueError where it is not one intent of this sender."""
        found = [(raw, *read_transaction(crypto, raw)) for raw in raws]
        found.sort(key=lambda one: one[1].fees.price)
        first, wanted = found[0][1], found[-1][1]
        if {(one.nonce, one.chain_id, who) for _, one, who in found} != {(wanted.nonce, wanted.chain_id, sender)}:
            raise ValueError("not the versions of one transaction of this key")
        versions = [Version(raw, crypto.keccak256(raw)) for raw, _, _ in found]
        return cls(wanted, first.fees.price * LIMIT, versions)  # as it was before: a restart raises no limit

    @property
    def nonce(self) -> int:
        return self.wanted.nonce

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    def value(self, worth: int) -> None:
        """It brings so much, in wei: its price may rise until the gas that it is likely to take costs that."""
        self.worth = worth
        self.limit = max(self.limit, worth * 6 // (5 * self.wanted.gas))

    @property
    def budget(self) -> int:
        """Wei that all of its gas may cost, for itself and for what it takes along: what it brings where that is known,
        a fifth more as so much less gas is likely.
        """
        return self.worth * 6 // 5 or self.limit * self.wanted.gas

    def dearer(self, market: Fees, limit: int) -> Transaction | None:
        """The same once more, for the next version: at the market's price, or at the limit where that is less. None
        where the limit leaves no room for another version.
        """
        fees = self.wanted.fees.raised(market)
        if fees.price > limit:
            least = self.wanted.fees.raised(self.wanted.fees)
            if least.price > limit:
                return None
            fees = Fees(limit, None if least.tip is None else min(limit, least.tip))
        return replace(self.wanted, fees=fees)
