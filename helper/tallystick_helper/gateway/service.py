"""The gateway: a request goes to the best provider that an open deposit can pay, over a connection that is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import structlog

from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.profile import Offer
from tallystick_shared.session.events import Accepted, Finished, Output

from .choice import Preference, Record, arrange
from .faults import ELSEWHERE, MONEY
from .holdings import FRESH, Candidate, Holdings
from .line import Asked, Line, Told

STALE = frozenset({Code.PRICE_CHANGED, Code.UNKNOWN_MODEL, Code.HANDSHAKE_FAILED, Code.BAD_PROFILE, Code.PROVIDER_GONE})
"""After these what is known of the provider may be out of date."""
SWEEP = 5.0
log = structlog.get_logger(__name__)
Money = Callable[[], Awaitable[Sequence[Holdings]]]
"""Gives the deposits on each chain that can be reached. Raises LocalError where there is none."""


@dataclass
class Answering:
    """An answer under way: who gives it, its first event, and the rest."""

    one: Candidate
    first: Output | Finished
    rest: AsyncGenerator[Told, None]

    async def events(self) -> AsyncGenerator[Output | Finished, None]:
        """All of it; the last is Finished. Raises TallystickError."""
        yield self.first
        if isinstance(self.first, Finished):
            return
        async for told in self.rest:
            if not isinstance(told, Accepted):
                yield told


class Gateway:
    """`models`, and any number of `answering` at once; `close` at the end. Connections that nobody used for `idle`
    seconds are given up, and with them the hold on their deposits. `traffic` is the class of text (`Line`).
    """

    def __init__(self, money: Money, *, idle: float = 120.0, traffic: str = "text") -> None:
        self._money, self._idle, self._traffic = money, idle, traffic
        self._lines: dict[bytes, Line] = {}
        self._dialling: dict[bytes, asyncio.Lock] = {}
        self._record = Record()
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def lines(self) -> list[Line]:
        """The connections to providers, each with a hold on its deposit until it is closed."""
        return list(self._lines.values())

    async def candidates(self, *, newer_than: float = FRESH) -> list[Candidate]:
        """Of all chains; one that cannot be reached is passed over, unless it is the only one."""
        every = await self._money()
        looks = [holdings.candidates(newer_than=newer_than) for holdings in every]
        found = await asyncio.gather(*looks, return_exceptions=True)
        faults = [one for one in found if isinstance(one, BaseException)]
        for fault in faults:
            if not isinstance(fault, TallystickError) or len(faults) == len(every):
                raise fault
        return [one for some in found if not isinstance(some, BaseException) for one in some]

    async def models(self) -> dict[str, list[Candidate]]:
        """What can be asked now, by model, the cheapest provider first."""
        found: dict[str, list[Candidate]] = {}
        for one in arrange(await self.candidates(newer_than=1.0), Preference(), self._record):
            found.setdefault(one.offer.model, []).append(one)
        return found

    @asynccontextmanager
    async def answering(self, asked: Asked, wanted: Preference) -> AsyncIterator[Answering]:
        """The answer of the first provider that gives anything. Left early, it is cancelled there. Raises
        TallystickError: of the first provider where none answered.
        """
        fault: TallystickError | None = None
        for one in await self._choose(asked, wanted):
            async with aclosing(self._exchange(one, asked)) as told:
                try:
                    first = await _first(told)
                except TallystickError as error:
                    self._note(one, error)
                    fault = fault or error
                    if error.code in ELSEWHERE or not wanted.fallbacks:
                        break
                    continue
                yield Answering(one, first, told)
                return
        assert fault is not None
        raise fault

    async def _choose(self, asked: Asked, wanted: Preference) -> list[Candidate]:
        """Raises LocalError UNKNOWN_MODEL, NO_DEPOSIT, NO_CONTRACTS."""
        for newer_than in (FRESH, 0.0):
            every = [one for one in await self.candidates(newer_than=newer_than) if one.offer.model == asked.model]
            if chosen := arrange(every, wanted, self._record):
                return chosen
        if every:
            raise LocalError(Code.NO_PROVIDERS, reason="none that the request's `provider` allows")
        raise await self._unpaid(asked.model)

    async def _unpaid(self, model: str) -> TallystickError:
        """Nobody who is paid sells it: does anybody?"""
        sellers: list[tuple[bytes, Offer]] = []
        chain = ""
        for holdings in await self._money():
            found = await holdings.sellers(lambda offer: offer.model == model)
            if found and not sellers:
                sellers, chain = found, holdings.chain
        if not sellers:
            return LocalError(Code.UNKNOWN_MODEL, model=model)
        provider, _ = min(sellers, key=lambda seller: (seller[1].price.output, seller[1].price.input))
        where = f" --chain {chain}" if chain else " --rpc URL"
        run = f"tallystick channel open --provider {to_hex(provider)} --key-file KEY{where}"
        return LocalError(Code.NO_DEPOSIT, model=model, run=run)

    async def _exchange(self, one: Candidate, asked: Asked) -> AsyncGenerator[Told, None]:
        most = one.offer.price.amount(len(asked.data) + one.offer.template_units, asked.max_units)
        line = await self._line(one, most)
        started = time.monotonic()
        first: tuple[float, int] | None = None
        async with aclosing(line.exchange(asked, most)) as told:
            async for event in told:
                now = time.monotonic()
                if first is None and isinstance(event, Output):
                    first = now, event.units
                if first is not None and isinstance(event, Finished):
                    made, seconds = event.units - first[1], now - first[0]
                    rate = made / seconds if made > 0 and seconds > 0 else None
                    self._record.of(one).add(first[0] - started, rate)
                yield event

    def _note(self, one: Candidate, error: TallystickError) -> None:
        """What went wrong with a provider: told without a word of the request, and what is out of date is forgotten."""
        log.warning("provider_failed", provider=to_hex(one.provider), model=one.offer.model, error=error.code.name)
        if error.code in STALE or error.code in MONEY:
            one.holdings.forget(one.provider)

    # -- connections

    async def _line(self, one: Candidate, most: int) -> Line:
        """The connection of a deposit: the one that stands, or a new one; `most` is what the request may cost, in
        smallest units. Raises TallystickError.
        """
        account = one.deposit.account_id(one.holdings.crypto)
        self._sweeper = self._sweeper or asyncio.create_task(self._sweep())
        async with self._dialling.setdefault(account, asyncio.Lock()):
            line = self._lines.get(account)
            if line is None or line.fault is not None or not _fits(line, one, most):
                if line is not None:
                    await line.quiet()
                    await line.close()
                holdings = one.holdings
                line = Line(holdings.crypto, holdings.store, one.deposit, one.profile, traffic=self._traffic)
                self._lines[account] = line
            line.used = time.monotonic()
            await line.connect()
            return line

    async def _sweep(self) -> None:
        """Gives up connections that nobody uses, and forgets those that ended."""
        while True:
            await asyncio.sleep(min(SWEEP, self._idle))
            await self.sweep(time.monotonic())

    async def sweep(self, now: float) -> None:
        """The same once; `now` by the monotonic clock."""
        for account, line in list(self._lines.items()):
            if not line.busy and (line.fault is not None or now - line.used > self._idle):
                async with self._dialling[account]:
                    if self._lines.get(account) is line and not line.busy:
                        await line.close()
                        del self._lines[account]

    async def close(self) -> None:
        """Pays what was received and says goodbye everywhere."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        lines, self._lines = list(self._lines.values()), {}
        await asyncio.gather(*(line.close() for line in lines), return_exceptions=True)


def _fits(line: Line, one: Candidate, most: int) -> bool:
    """Was it made for this announcement, and this much money? After a top-up one that is busy goes on with the old sum
    while that bears the request, so that nobody waits for the others' answers.
    """
    if line.profile != one.profile:
        return False
    grown = line.deposit.amount != one.deposit.amount
    return not grown or (line.busy and int(line.deposit.amount) < int(one.deposit.amount) and line.bears(most))


async def _first(told: AsyncGenerator[Told, None]) -> Output | Finished:
    """The first event that carries an answer. Raises TallystickError."""
    async for event in told:
        if not isinstance(event, Accepted):
            return event
    raise PeerError(Code.PROVIDER_GONE)
