"""Paid streams whose end is looked at closely: what came, how it ended, and that the money is for exactly that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tallystick_helper.chat import Conversation
from tallystick_shared.chat import SERVICE, chat_input
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import TallystickError
from tallystick_shared.money import Price
from tallystick_shared.session.events import Closed, Finished, Output, Refused

from .world import PRICE_IN, PRICE_OUT, Serving, until

PRICE = Price(PRICE_IN, PRICE_OUT)


@dataclass
class Outcome:
    """One stream as its user saw it. `input_units` is 0 where nothing was accepted."""

    data: bytes = b""
    units: int = 0
    input_units: int = 0
    finish: str = ""
    error: TallystickError | None = None
    retryable: bool = False
    retry_after_ms: int = 0
    stream: int = 0
    began: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with the first piece."""

    @property
    def amount(self) -> int:
        """What such a stream costs."""
        return PRICE.amount(self.input_units, self.units)


@dataclass
class Payer:
    """A deposit, its connection, and what its streams came to."""

    provider: Serving
    deposit: Deposit
    conversation: Conversation
    outcomes: list[Outcome] = field(default_factory=list)

    @classmethod
    async def at(cls, provider: Serving) -> Payer:
        """A new deposit, connected."""
        deposit = await provider.deposit()
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        return cls(provider, deposit, conversation)

    async def ask(
        self,
        text: str,
        max_units: int,
        *,
        params: bytes = b"",
        data: bytes | None = None,
        cancel_at: int | None = None,
        outcome: Outcome | None = None,
    ) -> Outcome:
        """One stream, to its end; cancelled once so many units came: at once with 0, and below that after so many
        hundredths of a second. Never raises what the stream ended by.
        """
        outcome = outcome or Outcome()
        self.outcomes.append(outcome)
        data = chat_input([("user", text)]) if data is None else data
        model = self.provider.node.engine.capabilities().model
        user = self.conversation.user
        stream = outcome.stream = await user.ask(SERVICE, params, data, model, max_units)
        held = user.session.streams[stream]
        if cancel_at is not None and cancel_at <= 0:
            for _ in range(-cancel_at):
                await asyncio.sleep(0.01)
            await user.stop(stream)
        while True:
            event = await self.conversation._events.get()
            if isinstance(event, Closed):
                raise AssertionError(f"the connection ended: {event.error}")
            if getattr(event, "stream", None) != stream:
                continue
            if isinstance(event, Output):
                outcome.data, outcome.units = outcome.data + event.data, event.units
                outcome.began.set()
                if cancel_at is not None and event.units >= cancel_at > 0:
                    cancel_at = None
                    await user.stop(stream)
            elif isinstance(event, Refused):
                outcome.error, outcome.retryable = event.error, event.retryable
                outcome.retry_after_ms = event.retry_after_ms
                break
            elif isinstance(event, Finished):
                outcome.finish, outcome.input_units = event.finish, event.input_units
                assert event.units == outcome.units
                assert event.amount == outcome.amount
                break
        if outcome.error is not None:
            outcome.input_units = max(0, held.input_units)
        return outcome

    async def check_money(self) -> int:
        """The provider's ledger and the user's own count are what was delivered, to the last unit, and the voucher
        covers it; it may be ahead, for an input that was refused after its first voucher. Returns that amount.
        """
        delivered = sum(outcome.amount for outcome in self.outcomes)
        account = self.conversation.user.session.account
        await self.conversation.settle()
        row = await self.provider.node.ledger.channel(self.channel)
        assert row is not None
        assert {"ledger": row.owed, "user": account.owed} == {"ledger": delivered, "user": delivered}, self.outcomes
        assert row.voucher.amount >= delivered
        return delivered

    async def close(self) -> None:
        """Ends the deposit on chain, by the provider, and goes."""
        await self.conversation.close()
        await self.conversation.leave()
        await until(lambda: not self.provider.node.till.is_closing(self.channel), 20)

    @property
    def channel(self) -> bytes:
        return self.deposit.channel_id(self.provider.world.crypto)


async def slots_free(provider: Serving) -> None:
    """Waits until no request is left in the engine."""
    engine = provider.node.engine
    await until(lambda: engine.load().running == engine.load().waiting == 0, 30)
