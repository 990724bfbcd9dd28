"""A connection to the provider of one deposit, kept between requests, with several of them at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from tallystick_shared import limits
from tallystick_shared.crypto import Crypto
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.profile import Profile
from tallystick_shared.services import traffic_of
from tallystick_shared.session.events import (
    Accepted,
    Closed,
    Event,
    Finished,
    Output,
    Ready,
    Refused,
    VoucherDurable,
)
from tallystick_shared.user import User

from ..dial import NativeHost
from ..store import UserStore
from .turns import Turns

SETTLE = 5.0
"""Seconds for which the last voucher is waited for before goodbye."""
REST = 0.1
Told = Accepted | Output | Finished


@dataclass(frozen=True)
class Asked:
    """A request as the protocol carries it: service, model, params and input as encoded bytes, the most output
    units.
    """

    service: str
    model: str
    params: bytes
    data: bytes
    max_units: int


class Line:
    """`connect`, then any number of `exchange` at the same time, then `close`."""

    def __init__(
        self, crypto: Crypto, store: UserStore, deposit: Deposit, profile: Profile, *, traffic: str = "text"
    ) -> None:
        """`traffic` is the class of text on it: `text`, `rich`, `low_latency`."""
        self.deposit, self.profile = deposit, profile
        self.fault: TallystickError | None = None
        """Why the connection is over; None while it stands."""
        self.used = time.monotonic()
        self._promised = 0
        self._store = store
        self._turns = Turns(int(limits.STREAMS.value))
        self._heard: dict[int, asyncio.Queue[Told | Refused | None]] = {}
        self._ready = asyncio.Event()
        self._paid = asyncio.Event()
        self._endings: set[asyncio.Task[None]] = set()
        self._run: asyncio.Task[None] | None = None
        fast, rich = traffic == "low_latency", traffic == "rich"
        self._user = User(crypto, NativeHost(), store, deposit, profile, self._hear, low_latency=fast, rich=rich)

    @property
    def busy(self) -> bool:
        """Does a request run, or wait?"""
        return self._turns.busy

    def bears(self, most: int) -> bool:
        """Has the deposit as it was known here room for a request of that price beside all that run or wait? `most` is
        in smallest units.
        """
        account = self._user.session.account
        return account.owed + self._promised + most <= account.cap

    async def connect(self) -> None:
        """Returns once it stands, whoever began it: who stops waiting leaves it to the others. Raises LocalError
        IN_USE_ELSEWHERE, PeerError with the provider's or the network's reason.
        """
        if self._run is None:
            self._store.hold(self.deposit)
            self._run = asyncio.create_task(self._live())
        await self._ready.wait()
        if self.fault is not None:
            raise self.fault

    async def _live(self) -> None:
        try:
            await self._user.run()
        except TallystickError as error:  # what is kept of the deposit cannot be read or written
            self._end(error)
        finally:
            self._end(PeerError(Code.PROVIDER_GONE))
            self._store.release(self.deposit)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Accepted | Output | Finished | Refused):
            self._queue(event.stream).put_nowait(event)
        elif isinstance(event, Ready):
            self._ready.set()
        elif isinstance(event, VoucherDurable):
            self._paid.set()
        elif isinstance(event, Closed):
            self._end(event.error or PeerError(Code.PROVIDER_GONE))

    def _end(self, error: TallystickError) -> None:
        """The connection is over; whoever waits is told. The first reason stays."""
        self.fault = self.fault or error
        self._ready.set()
        self._paid.set()
        for queue in self._heard.values():
            queue.put_nowait(None)

    def _queue(self, stream: int) -> asyncio.Queue[Told | Refused | None]:
        """Events may come before `ask` has returned the stream's number."""
        if stream not in self._heard:
            self._heard[stream] = asyncio.Queue()
            if self.fault is not None:
                self._heard[stream].put_nowait(None)
        return self._heard[stream]

    async def exchange(self, asked: Asked, most: int = 0) -> AsyncGenerator[Told, None]:
        """How a request goes, up to Finished. Closed before, it is cancelled at the provider: the engine stops, and
        what was delivered is paid. `most` is what it may cost, in smallest units. Raises TallystickError.
        """
        self._promised += most
        try:
            async with aclosing(self._exchanged(asked)) as told:
                async for event in told:
                    yield event
        finally:
            self._promised -= most

    async def _exchanged(self, asked: Asked) -> AsyncGenerator[Told, None]:
        kind = traffic_of(0, asked.service)
        await self._turns.enter(kind)
        left = asyncio.Event()
        asking = asyncio.create_task(self._ask(asked, left))
        ended = False
        try:
            queue = self._queue(await asyncio.shield(asking))
            while not ended:
                told = await queue.get()
                ended = told is None or isinstance(told, Finished | Refused)
                if told is None:
                    raise self.fault or PeerError(Code.PROVIDER_GONE)
                if isinstance(told, Refused):
                    raise _refusal(told)
                yield told
        finally:
            self.used = time.monotonic()
            left.set()
            ending = asyncio.create_task(self._see_out(asking, ended))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def _ask(self, asked: Asked, left: asyncio.Event) -> int:
        """The stream's number. Nothing is asked, or paid, once nobody waits for it. Raises TallystickError."""
        self._check_wanted(left)
        while not self._user.session.takes(asked.service):
            await asyncio.sleep(REST)  # the tail of another class of traffic runs out
            self._check_wanted(left)
        return await self._user.ask(asked.service, asked.params, asked.data, asked.model, asked.max_units)

    def _check_wanted(self, left: asyncio.Event) -> None:
        if self.fault is not None or left.is_set():
            raise self.fault or LocalError(Code.REFUSED)

    async def _see_out(self, asking: asyncio.Task[int], ended: bool) -> None:
        """Stops a stream that nobody reads any more, hears its end, and gives its turn back."""
        try:
            stream = await asking
            queue = self._queue(stream)
            if not ended:
                await self._user.stop(stream)
                while not (isinstance(told := await queue.get(), Finished | Refused) or told is None):
                    pass
            self._heard.pop(stream, None)
        except TallystickError:
            return  # it was never asked
        finally:
            self._turns.leave()

    async def quiet(self) -> None:
        """Returns once nothing runs or waits."""
        await self._turns.emptied()

    async def close(self) -> None:
        """Stops what runs, pays what was received, and says goodbye; the deposit stays."""
        if self._run is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                await self._settle()
        await self._user.disconnect()
        if not self._user.calling:
            await asyncio.wait([self._run], timeout=SETTLE)
        self._run.cancel()
        await asyncio.gather(self._run, *self._endings, return_exceptions=True)

    async def _settle(self) -> None:
        """Returns once the provider holds a voucher for all that was received, or is gone."""
        while self.fault is None and not self._user.calling:
            account = self._user.session.account
            if account.durable >= min(account.owed, account.cap) and not self._endings:
                return
            self._paid.clear()
            waits = [asyncio.create_task(self._paid.wait()), *self._endings]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            waits[0].cancel()


def _refusal(told: Refused) -> TallystickError:
    """The provider's reason, with when to come back where it says so."""
    if told.retry_after_ms:
        told.error.values.setdefault("retry_after_ms", told.retry_after_ms)
    return told.error
