"""One request as its client sees it: what the provider counts is checked against what arrived."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.messages import Accept, Data, End, Input, ResumeAt, amount_bytes, amount_int, encode_body
from tallystick_shared.money import Account, plausible_input
from tallystick_shared.records import HEADER
from tallystick_shared.services import bounds_of

from .requests import Request
from .tables import StreamState
from .windows import DATA_WINDOW, INPUT_WINDOW, Receiving

GONE = "gone"
INPUT_RECORD = 4096
INPUT_PIECE = INPUT_RECORD - HEADER.size - 16


@dataclass
class ClientStream:
    """`most` bounds what a cancelled stream may still cost; `refusal` is why we cancelled it ourselves; `brought` bytes
    of the input are sent, up to `window` may be.
    """

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
    resumable: bool = True
    resuming: bool = False
    """RESUME left and is not answered yet."""
    brought: int = 0
    window: int = INPUT_WINDOW
    padded: bool = False
    arriving: Receiving = field(default_factory=lambda: Receiving(DATA_WINDOW))

    @property
    def heard(self) -> int:
        """What a voucher acknowledges: the last seq, and one more once the end is here."""
        return self.seq + (self.state is StreamState.DONE and self.accepted)

    # -- the input

    def next_input(self) -> Input | None:
        """The next record's worth of input, as far as the window reaches; the last one says so."""
        data, at = self.request.input, self.brought
        end = min(len(data), at + INPUT_PIECE)
        if self.padded or end > self.window:
            return None
        self.brought, self.padded = end, end == len(data)
        return Input(at, data[at:end], end == len(data))

    def input_padding(self) -> int:
        """How many empty records follow the input, so that their count is a power of two."""
        records = max(1, -(-len(self.request.input) // INPUT_PIECE))
        return (1 << (records - 1).bit_length()) - records

    def begin_again(self) -> None:
        """Nobody accepted it, so it is opened once more."""
        self.state, self.brought, self.window, self.padded = StreamState.INPUT, 0, INPUT_WINDOW, False

    # -- what comes of it

    def accept(self, body: Accept, account: Account) -> None:
        """The input is accepted and priced. Raises PeerError OVERCHARGED, PROTOCOL."""
        request = self.request
        if self.accepted and not (self.resuming and body.input_units == self.input_units):
            raise PeerError(Code.PROTOCOL, type="ACCEPT")
        self.resumable, self.resuming = body.resumable, False
        if self.accepted:
            return
        if not plausible_input(body.input_units, len(request.input), request.offer.template_units):
            raise PeerError(Code.OVERCHARGED, input_units=body.input_units)
        self._bound(request.offer.price.amount(body.input_units, 0))
        self.accepted, self.input_units = True, body.input_units
        account.start(request.request_id, request.offer.price, body.input_units)

    def data(self, body: Data, account: Account) -> None:
        """A piece of the answer. Raises PeerError PROTOCOL, OVERCHARGED, TOO_LARGE."""
        request = self.request
        if not self.accepted:
            raise PeerError(Code.PROTOCOL, type="DATA")
        if body.seq != self.seq + 1 or not self.units <= body.units <= request.max_units:
            raise PeerError(Code.PROTOCOL, seq=body.seq, units=body.units)
        received = self.received + len(body.data)
        service = bounds_of(request.service, request.params)
        if not service.plausible(body.units, received):
            raise PeerError(Code.OVERCHARGED, units=body.units)
        if not service.fits(min(body.units, request.max_units - 1), received):
            raise PeerError(Code.TOO_LARGE, units=body.units, received=received)
        self._bound(request.offer.price.amount(self.input_units, body.units))
        self.seq, self.units, self.received = body.seq, body.units, received
        self.digest.update(encode_body(body))
        account.deliver(request.request_id, body.units)

    def end(self, body: End, account: Account) -> int:
        """The end, which must say what we counted. Returns its cost; raises PeerError OVERCHARGED, BAD_DIGEST. Where
        the provider kept nothing of it (`gone`), what we counted stands.
        """
        amount = account.finish(self.request.request_id) if self.accepted else 0
        if body.finish == GONE and not body.units:
            return amount
        if body.units != self.units or amount_int(body.amount) != amount:
            raise PeerError(Code.OVERCHARGED, units=body.units, received=self.units)
        if body.digest != self.digest.digest():
            raise PeerError(Code.BAD_DIGEST)
        return amount

    def resume_at(self, account: Account) -> ResumeAt:
        """What RESUME says of it."""
        running = account.running.get(self.request.request_id)
        return ResumeAt(self.request.request_id, self.seq + 1, amount_bytes(running.amount if running else 0))

    def _bound(self, amount: int) -> None:
        """After CANCEL only what was under way may still come: the window beyond what was signed when it left."""
        if self.most is not None and amount > self.most:
            raise PeerError(Code.OVERCHARGED, amount=amount, most=self.most)
