"""What a user needs of the outside world, and what it agrees to: the seats that page and terminal fill."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from .deposit import Deposit
from .messages import amount_int
from .money import MILLION, Price
from .profile import Profile
from .session import ClientLimits, Resume

WINDOW_UNITS = 20_000


class SocketClosed(Exception):
    """The peer or the network ended the socket."""


class Socket(Protocol):
    """A WebSocket that carries binary messages."""

    async def send(self, message: bytes) -> None:
        """Raises SocketClosed."""

    async def receive(self, timeout: float) -> bytes | None:
        """The next message, or None after `timeout` seconds. Raises SocketClosed; text messages count as that."""

    async def close(self) -> None:
        """Closes; never raises."""


class Host(Protocol):
    """The outside world of a user."""

    async def dial(self, url: str) -> Socket:
        """Raises PeerError PROVIDER_GONE."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""

    def wall(self) -> int:
        """Unix time in seconds."""

    async def sleep(self, seconds: float) -> None:
        """Lets time pass."""

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs this, which raises nothing, beside whoever asks for it."""


class Store(Protocol):
    """What survives a reload, by the deposit's account id (a channel's id where it has one payee). `save` returns only
    when it is durable.
    """

    async def load(self, account_id: bytes) -> Resume | None: ...

    async def save(self, account_id: bytes, resume: Resume) -> None: ...


def limits_at(price: Price, first: int = 0) -> ClientLimits:
    """Allows this price, a window worth 20,000 units of it, as much in advance, and that first-voucher minimum."""
    window = WINDOW_UNITS * max(price.output, price.input) // MILLION
    return ClientLimits(window, window, price, first)


def agreed_limits(deposit: Deposit, profile: Profile) -> ClientLimits:
    """What the person saw when the deposit was made; the profile's own prices for a deposit that did not keep them."""
    if deposit.agreed is None:
        return limits_at(profile.dearest, amount_int(profile.first_voucher))
    agreed = deposit.agreed
    return limits_at(Price(amount_int(agreed.price_in), amount_int(agreed.price_out)), amount_int(agreed.first_voucher))
