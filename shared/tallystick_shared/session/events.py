"""What a session tells its driver. Amounts are integers in the token's smallest unit."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick_shared.channel import Config
from tallystick_shared.errors import TallystickError
from tallystick_shared.messages import Auth, Open, ServerInfo
from tallystick_shared.voucher import Receipt, Signed


@dataclass(frozen=True)
class Event:
    """The base of all events."""


@dataclass(frozen=True)
class Keyed(Event):
    """The handshake is done; from here on everything is encrypted. `info` is the provider's payload (client side
    only). `ticket_holder`: the client showed a ticket that this node gave it (provider side only).
    """

    handshake_hash: bytes
    info: ServerInfo | None = None
    ticket_holder: bool = False


@dataclass(frozen=True)
class Closed(Event):
    """The connection is over. `error` is None after an orderly goodbye."""

    error: TallystickError | None


# -- the client's


@dataclass(frozen=True)
class Dropped(Event):
    """The connection broke while something was under way, and is dialled again. Ready follows once it stands, and what
    was under way goes on; or Closed, where it cannot.
    """

    error: TallystickError


@dataclass(frozen=True)
class Ready(Event):
    """The channel was accepted. `signed` is the highest amount with our own signature, `owed` what both sides
    start from. `tickets` are for later connections of this channel.
    """

    signed: int
    owed: int
    window: int
    tickets: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Accepted(Event):
    """Work will start; or it goes on, where its connection broke."""

    stream: int
    input_units: int
    queue_place: int
    estimated_ms: int


@dataclass(frozen=True)
class Output(Event):
    """A piece of the answer; `units` is the total so far."""

    stream: int
    data: bytes
    units: int
    kind: int


@dataclass(frozen=True)
class VoucherDue(Event):
    """Store this amount durably, then call `send_voucher` with it."""

    amount: int


@dataclass(frozen=True)
class VoucherDurable(Event):
    """The provider has this amount on disk."""

    amount: int


@dataclass(frozen=True)
class Finished(Event):
    """A stream ended in order. `finish`: stop, length, cancelled, deposit, interrupted. The receipt is verified."""

    stream: int
    finish: str
    input_units: int
    units: int
    amount: int
    receipt: Receipt


@dataclass(frozen=True)
class Refused(Event):
    """A stream ended by an error; what had been delivered stays owed."""

    stream: int
    error: TallystickError
    retryable: bool
    retry_after_ms: int


@dataclass(frozen=True)
class CloseAccepted(Event):
    """The provider sent the closing transaction (hash, 32 bytes)."""

    transaction: bytes


# -- the provider's


@dataclass(frozen=True)
class AuthOffered(Event):
    """A client proved that it holds the session key of a channel. Look the channel up, then `accept_auth` or
    `refuse`. `alone`: it has no other connection on it, so those that are left are dead and must be ended first.
    """

    channel_id: bytes
    config: Config
    depth: int
    auth: Auth
    alone: bool = False


@dataclass(frozen=True)
class GuestAsked(Event):
    """Somebody without a channel asks for one of the free services. Answer with `guest_data` and `guest_end`, or
    `refuse`.
    """

    service: str
    params: bytes
    most: int


@dataclass(frozen=True)
class RequestOffered(Event):
    """A stream was opened. `digest` is BLAKE2s over OPEN's body, so that a repeated request id can be compared."""

    stream: int
    open: Open
    digest: bytes


@dataclass(frozen=True)
class InputComplete(Event):
    """The whole input is here. Count its units, then `measure` or `fail`."""

    stream: int
    data: bytes


@dataclass(frozen=True)
class RequestReady(Event):
    """Paid enough to start. Run the engine for at most `units` units, then `data` and `finish`."""

    stream: int
    units: int


@dataclass(frozen=True)
class VoucherReceived(Event):
    """A valid voucher above the last. Make it durable, then call `voucher_durable`."""

    voucher: Signed


@dataclass(frozen=True)
class Stopped(Event):
    """The engine's work on this stream is no longer wanted: cancelled, interrupted or deposit used up."""

    stream: int
    reason: str


@dataclass(frozen=True)
class StreamDone(Event):
    """A stream's last record is out; what it cost is settled on the account. `accepted`: it came as far as ACCEPT."""

    stream: int
    request_id: bytes
    finish: str
    input_units: int
    units: int
    amount: int
    accepted: bool = True


@dataclass(frozen=True)
class StreamDetached(Event):
    """The connection broke, or another one took the stream over. Its work goes on, for what the shelf allows."""

    stream: int
    request_id: bytes


@dataclass(frozen=True)
class StreamResumed(Event):
    """A stream that had been detached goes on here, under this number."""

    stream: int
    request_id: bytes


@dataclass(frozen=True)
class CloseAsked(Event):
    """The client wants the channel closed with this voucher: its last word, or the best that this connection saw
    where that pays better. Another connection may have brought a better one yet.
    """

    voucher: Signed
