"""The deposits that are kept here, beside what the chain says of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tallystick_shared.chains import Deployment
from tallystick_shared.channel import NATIVE, ChannelState, Config
from tallystick_shared.crypto import Crypto
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc, to_hex, to_int
from tallystick_shared.evm.token import Token
from tallystick_shared.session import Resume

from .shown import Money, show_moment
from .store import UserStore

STATES = 100


class Status(StrEnum):
    """What has become of a deposit."""

    ABSENT = "absent"  # never seen on chain
    SENT = "sent"
    OPEN = "open"
    CLOSING = "closing"
    EXPIRED = "expired"
    OVER = "over"


@dataclass(frozen=True)
class Party:
    """A provider that a deposit can pay, and what was signed to it so far."""

    deposit: Deposit
    resume: Resume

    def values(self) -> dict[str, Any]:
        """For `--json`, as in `View.values`."""
        return {
            "provider": to_hex(self.deposit.provider),
            "payee": to_hex(self.deposit.payee),
            "cap": str(self.deposit.cap),
            "promised": str(self.resume.signed),
            "owed": str(self.resume.owed),
        }


@dataclass(frozen=True)
class Held:
    """A deposit as it is kept. `parties` are those it can pay, with its session key; none where it was found again
    without one. `agreed`: its expiry when it was opened or last extended.
    """

    channel_id: bytes
    config: Config
    agreed: int
    transaction: str
    parties: tuple[Party, ...]

    @property
    def promised(self) -> int:
        """To all together, in smallest units."""
        return sum(party.resume.signed for party in self.parties)

    @property
    def owed(self) -> int:
        return sum(party.resume.owed for party in self.parties)

    @property
    def alone(self) -> Deposit | None:
        """The deposit of its only party; None where it has several or none."""
        return self.parties[0].deposit if len(self.parties) == 1 and not self.parties[0].deposit.depth else None


@dataclass(frozen=True)
class View:
    """A deposit with its state at `now` (Unix seconds of the chain), and what its amounts are in."""

    held: Held
    state: ChannelState
    status: Status
    now: int
    money: Money

    @property
    def paid(self) -> int:
        """What is claimed, or promised by vouchers, in smallest units."""
        return max(self.state.claimed, min(self.held.promised, self.state.deposit))

    @property
    def rest(self) -> int:
        """What comes back at the end, in smallest units; 0 once it did."""
        return 0 if self.status is Status.OVER else self.state.deposit - self.paid

    def words(self) -> str:
        """The state for people, with what to do."""
        until = show_moment(self.state.expiry, self.now)
        return {
            Status.ABSENT: "not on chain",
            Status.SENT: "on its way to the chain",
            Status.OPEN: f"open until {until}",
            Status.CLOSING: f"closing: yours again from {until}",
            Status.EXPIRED: "expired: take it back",
            Status.OVER: "over",
        }[self.status]

    @property
    def native(self) -> bool:
        """In the chain's own coin?"""
        return self.held.config.token == NATIVE

    def values(self) -> dict[str, Any]:
        """For `--json`: amounts as decimal text, times as Unix seconds, addresses and ids in hex."""
        held, config = self.held, self.held.config
        return {
            "id": to_hex(held.channel_id),
            "state": self.status.value,
            "deposit": str(self.state.deposit),
            "claimed": str(self.state.claimed),
            "promised": str(held.promised),
            "owed": str(held.owed),
            "rest": str(self.rest),
            "expiry": self.state.expiry if self.state.expiry > 1 else None,
            "delay": config.delay,
            "payer": to_hex(config.payer),
            "signer": to_hex(config.signer),
            "token": to_hex(config.token),
            "symbol": self.money.symbol,
            "decimals": self.money.decimals,
            "providers": [party.values() for party in held.parties],
            "key": "kept" if held.parties else "lost",
            "transaction": held.transaction or None,
        }


class Deposits:
    """What a store keeps for one contract, read beside the chain."""

    def __init__(self, crypto: Crypto, rpc: Rpc, where: Deployment, store: UserStore, symbol: str) -> None:
        """`symbol` names the chain's coin."""
        self.crypto, self.rpc, self.where, self.store = crypto, rpc, where, store
        self.contract = Channels(crypto, where.channels)
        self._monies = {NATIVE: Money(symbol)}

    async def money(self, token: bytes) -> Money:
        """The coin, or a token as it calls itself: nobody vouches for the name."""
        if token not in self._monies:
            found = Token(self.crypto, token)
            self._monies[token] = Money(await found.symbol(self.rpc), await found.decimals(self.rpc))
        return self._monies[token]

    async def held(self, payer: bytes | None = None) -> list[Held]:
        """Newest first; of one payer (20 bytes) where one is given. One with its key hides the same without."""
        found: dict[bytes, Held] = {}
        for kept in self.store.kept():
            if (kept.chain_id, kept.channels) != (self.where.chain_id, self.where.channels):
                continue
            if payer not in (None, kept.config.payer):
                continue
            channel_id = kept.channel_id(self.crypto)
            known = found.get(channel_id) or Held(channel_id, kept.channel_config(), kept.expiry, kept.transaction, ())
            if isinstance(kept, Deposit):
                resume = await self.store.load(kept.account_id(self.crypto)) or Resume()
                known = replace(known, parties=(*known.parties, Party(kept, resume)))
            found[channel_id] = known
        return list(found.values())

    async def now(self) -> int:
        """The chain's time: its newest block's, or this machine's where that is later."""
        block = await self.rpc.request("eth_getBlockByNumber", ["latest", False])
        return max(to_int(block["timestamp"]), int(time.time()))

    async def views(self, held: list[Held]) -> list[View]:
        """Their states; one call for each hundred."""
        now = await self.now()
        found: list[View] = []
        for at in range(0, len(held), STATES):
            some = held[at : at + STATES]
            states = await self.contract.states(self.rpc, [one.channel_id for one in some])
            for one, state in zip(some, states, strict=True):
                money = await self.money(one.config.token)
                found.append(View(one, state, await self._status(one, state, now), now, money))
        return found

    async def _status(self, held: Held, state: ChannelState, now: int) -> Status:
        if not state.known:
            known = held.transaction and await self.rpc.request("eth_getTransactionByHash", [held.transaction])
            return Status.SENT if known else Status.ABSENT
        if state.ended:
            return Status.OVER
        if now >= state.expiry:
            return Status.EXPIRED
        return Status.CLOSING if state.expiry < held.agreed else Status.OPEN

    async def one(self, name: str) -> View:
        """By its id, or by so much of it as only one has. Raises LocalError UNKNOWN_DEPOSIT."""
        wanted = name.lower().removeprefix("0x")
        matching = [one for one in await self.held() if wanted and one.channel_id.hex().startswith(wanted)]
        if len(matching) != 1:
            none = "none begins so; one that is over may be kept no more"
            reason = f"{len(matching)} deposits begin so" if matching else none
            raise LocalError(Code.UNKNOWN_DEPOSIT, id=name, reason=reason)
        return (await self.views(matching))[0]
