"""One request as its client sees it: what the provider counts is checked against what arrived."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.messages import Accept, Data, End, amount_int, encode_body
from tallystick_shared.money import Account, plausible_input
from tallystick_shared.services import service_of

from .requests import Request
from .tables import StreamState


@dataclass
class ClientStream:
    """`most` bounds what a cancelled stream may still cost; `refusal` is why we cancelled it ourselves."""

    request: Request
    state: StreamState = StreamState.INPUT
    accepted: bool = False
    seq: int = 0
    units: int = 0
    received: int = 0
    input_units: int = 0
    most: int | None = None
    refusal: TallystickError | None = None
    digest: hashlib.blake2s = field(default_factory=hashlib.blake2s)

    def accept(self, body: Accept, account: Account) -> None:
        """The input is accepted and priced. Raises PeerError OVERCHARGED, PROTOCOL."""
        request = self.request
        if self.accepted:
            raise PeerError(Code.PROTOCOL, type="ACCEPT")
        if not plausible_input(body.input_units, len(request.input), request.offer.template_units):
            raise PeerError(Code.OVERCHARGED, input_units=body.input_units)
        self._bound(request.offer.price.amount(body.input_units, 0))
        self.accepted, self.input_units = True, body.input_units
        account.start(request.request_id, request.offer.price, body.input_units)

    def data(self, body: Data, account: Account) -> None:
        """A piece of the answer. Raises PeerError PROTOCOL, OVERCHARGED."""
        request = self.request
        if not self.accepted:
            raise PeerError(Code.PROTOCOL, type="DATA")
        if body.seq != self.seq + 1 or not self.units <= body.units <= request.max_units:
            raise PeerError(Code.PROTOCOL, seq=body.seq, units=body.units)
        received = self.received + len(body.data)
        if not service_of(request.service).plausible(body.units, received):
            raise PeerError(Code.OVERCHARGED, units=body.units)
        self._bound(request.offer.price.amount(self.input_units, body.units))
        self.seq, self.units, self.received = body.seq, body.units, received
        self.digest.update(encode_body(body))
        account.deliver(request.request_id, body.units)

    def end(self, body: End, account: Account) -> int:
        """The end, which must say what we counted. Returns its cost; raises PeerError OVERCHARGED, BAD_DIGEST."""
        amount = account.finish(self.request.request_id) if self.accepted else 0
        if body.units != self.units or amount_int(body.amount) != amount:
            raise PeerError(Code.OVERCHARGED, units=body.units, received=self.units)
        if body.digest != self.digest.digest():
            raise PeerError(Code.BAD_DIGEST)
        return amount

    def _bound(self, amount: int) -> None:
        """After CANCEL only what was under way may still come: the window beyond what was signed when it left."""
        if self.most is not None and amount > self.most:
            raise PeerError(Code.OVERCHARGED, amount=amount, most=self.most)
