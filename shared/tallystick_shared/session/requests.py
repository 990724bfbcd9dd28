"""What a client asks for, what it allows, and what it remembers of a channel."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import MAX_PARAMS
from tallystick_shared.money import Price
from tallystick_shared.profile import Offer
from tallystick_shared.services import service_of


@dataclass(frozen=True)
class ClientLimits:
    """What this client allows, in the token's smallest unit: the largest credit window it will owe, how much it
    pays ahead of delivery at the most, the dearest price (None: whatever the offer says), and the highest
    first-voucher minimum where that may be more than the advance.
    """

    window: int
    advance: int
    price: Price | None = None
    first: int = 0

    def check(self, offer: Offer) -> None:
        """Raises PeerError PRICE_CHANGED where the offer is dearer than agreed."""
        if self.price and (offer.price.input > self.price.input or offer.price.output > self.price.output):
            raise PeerError(Code.PRICE_CHANGED, input=offer.price.input, output=offer.price.output)

    def check_first(self, minimum: int) -> None:
        """Raises PeerError ADVANCE_TOO_LARGE where the first voucher would have to come to more than is allowed."""
        if minimum > max(self.advance, self.first):
            raise PeerError(Code.ADVANCE_TOO_LARGE, first_voucher=minimum)


@dataclass(frozen=True)
class Resume:
    """What the client kept from before: the highest amount it signed, what it owed then, whether an answer was cut
    off, the most that inputs cost which were sent but not yet accepted, and how much of what it owes it never saw:
    taken over from the provider after cuts. `tickets` get it in beside strangers (`tickets`), the newest first.
    """

    signed: int = 0
    owed: int = 0
    in_flight: bool = False
    waiting: int = 0
    unseen: int = 0
    tickets: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Request:
    """A request: its 16-byte id, the service and its bytes, the offer it goes to, and the most output units
    wanted.
    """

    request_id: bytes
    service: str
    params: bytes
    input: bytes
    offer: Offer
    max_units: int

    def __post_init__(self) -> None:
        """Raises LocalError PROMPT_TOO_LONG or BAD_REQUEST where OPEN could not carry it."""
        most = service_of(self.service).most_input
        if len(self.input) > most:
            raise LocalError(Code.PROMPT_TOO_LONG, size=len(self.input), limit=most)
        if len(self.params) > MAX_PARAMS or not 0 < self.max_units < 1 << 32:
            raise LocalError(Code.BAD_REQUEST)

    @property
    def most_input(self) -> int:
        """The most that its input may cost: a unit is at least a byte, but for what the template adds."""
        return self.offer.price.amount(len(self.input) + self.offer.template_units, 0)
