"""What a client signs, and no further: what it received, the input that was accepted, and ahead of that only what it
was asked for and allows. Amounts are totals of the channel, in the token's smallest unit. Section 5 of the protocol.
"""

from __future__ import annotations

from collections.abc import Collection

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import MAX_AMOUNT
from tallystick_shared.money import Account, least_due, lower_bound_units

from .client_stream import ClientStream
from .requests import ClientLimits, Request, Resume
from .tables import StreamState

S = StreamState
UNDER_WAY = frozenset({S.INPUT, S.RUNNING, S.RESUMED})
UNACCEPTED = frozenset({S.INPUT, S.CANCELLED, S.DETACHED})


class Purse:
    """One channel's money as its client sees it. `streams` is the session's own table; `first` is what the provider's
    profile says that the first voucher comes to at least.
    """

    def __init__(self, limits: ClientLimits, streams: dict[int, ClientStream], first: int = 0) -> None:
        self.limits, self.first = limits, first
        self.account = Account(cap=0, window=0)
        self.signed = 0
        self.unseen = 0
        self.asked = False
        """True while the driver stores an amount that it was asked to sign."""
        self._streams = streams
        self._resume = Resume()
        self._pay_first = 0
        self._gap = 0
        """What the provider counted beyond our count when we came back, as far as it is not explained."""
        self._waited = 0
        """The most that inputs cost which it may have accepted before it forgot them."""

    def bring(self, cap: int, resume: Resume) -> None:
        """What was kept from before, until the provider has said what it holds."""
        self._resume, self.signed, self.unseen = resume, resume.signed, resume.unseen
        self.account = Account(cap=cap, window=self.limits.window, settled=resume.owed)

    def agree(self, best: int, owed: int, window: int) -> None:
        """What the provider holds: a voucher for `best` (already known to be ours), and its own count of `owed`.

        Without a cut in mid-answer our count stands. After one, the provider may have accepted inputs and sent output
        of which we never heard. Such inputs count; such output counts as far as it, over the channel's whole life,
        comes to no more than the advance we allow: cuts must not earn anything. Raises PeerError ADVANCE_TOO_LARGE
        where its window is too large.
        """
        if window > self.limits.window:
            raise PeerError(Code.ADVANCE_TOO_LARGE, window=window)
        self.signed = max(self.signed, best)
        base = min(owed, self._resume.owed)
        if self._resume.in_flight:
            known = self._resume.owed + self._resume.waiting
            if best > self._resume.signed:  # our store lost what our own signature still proves
                known = max(known, best)
            base = min(owed, known + max(0, self.limits.advance - self.unseen))
            self.unseen += max(0, base - known)
        running = self.account.running
        self.account = Account(self.account.cap, window, base, min(best, self.signed), running)
        self._bound_cancelled()

    def _bound_cancelled(self) -> None:
        for held in self._streams.values():
            if held.state is S.CANCELLED:
                held.most = self.most(held)

    # -- the same where streams are resumed

    def rejoin(self, best: int, owed: int, window: int) -> None:
        """What the provider holds as streams go on over a new connection: our count stands, for what of theirs we have
        not seen arrives yet. Raises PeerError ADVANCE_TOO_LARGE.
        """
        if window > self.limits.window:
            raise PeerError(Code.ADVANCE_TOO_LARGE, window=window)
        self.signed, self.asked = max(self.signed, best), False
        account = self.account
        self.account = Account(account.cap, window, account.settled, min(best, self.signed), account.running)
        self._gap, self._waited = max(0, owed - self.account.owed), 0
        self._bound_cancelled()

    def missed(self, held: ClientStream, more: int) -> int:
        """A stream is gone for which the provider counts `more` than we saw. Inputs count; output as far as the advance
        goes, over the channel's whole life. Returns what is taken over.
        """
        waited = 0 if held.accepted else held.request.most_input
        taken = min(more, self._gap, waited + self._waited + max(0, self.limits.advance - self.unseen))
        self._take(taken, waited)
        return taken

    def lost_memory(self) -> None:
        """None of the streams was resumed, so nothing of what we lack will arrive: it is taken over as after a cut."""
        self._take(min(self._gap, self._waited + max(0, self.limits.advance - self.unseen)), 0)

    def _take(self, amount: int, waited: int) -> None:
        free = waited + self._waited
        self._waited = max(0, free - amount)
        self._gap -= amount
        self.unseen += max(0, amount - free)
        self.account.settled += amount

    # -- what to keep

    @property
    def waiting(self) -> int:
        """The most that inputs cost whose fate is open: sent, and neither accepted nor over."""
        return self._inputs(UNACCEPTED)

    # -- what to sign

    def first_amount(self, request: Request) -> int:
        """The total that the voucher beside OPEN promises: a lower bound of the input's price on top of what is
        owed; at least the first-voucher minimum. Raises PeerError ADVANCE_TOO_LARGE where that is beyond the limits.
        """
        price = request.offer.price
        first = self.first if price.input or price.output else 0
        if self.signed < first:
            self.limits.check_first(first)
        units = lower_bound_units(len(request.input), request.offer.bytes_per_unit)
        return min(self.account.cap, max(self.signed, first, self.account.owed + price.amount(units, 0)))

    def target(self) -> int:
        """What is owed; ahead of it only what was asked for work that is still under way."""
        ahead = self._pay_first if self._any(UNDER_WAY) else 0
        return min(self.account.cap, max(self.account.owed, ahead))

    @property
    def wanted(self) -> bool:
        """True where more should be signed, and the driver is not at it already."""
        return not self.asked and self.target() > self.signed

    @property
    def final(self) -> int:
        """What the last voucher says: exactly what is owed, and the first-voucher minimum where less was used."""
        return min(least_due(self.account.owed, min(self.first, self.signed)), self.account.cap)

    def sign(self, amount: int) -> None:
        """This total leaves now; the driver has stored it."""
        self.signed = max(self.signed, amount)
        self.asked = False

    # -- what the provider may ask

    def opened(self) -> None:
        """A stream is about to open: what was asked for others that are over counts no more."""
        if not self._any(UNDER_WAY):
            self._pay_first = 0

    def pay_first(self, amount: int) -> PeerError | None:
        """The provider wants this total before it goes on. Granted where waiting inputs and the allowed advance
        explain it; else the reason why not.
        """
        if amount <= self.signed:
            return None  # it crossed with the voucher that says so
        if amount <= self._explained({S.INPUT}):
            self._pay_first = max(self._pay_first, amount)
            return None
        if amount <= self._explained({S.INPUT, S.CANCELLED}):
            return None  # it was asked for an input that was cancelled meanwhile
        code = Code.DEPOSIT_EXHAUSTED if amount > self.account.cap else Code.ADVANCE_TOO_LARGE
        return PeerError(code, amount=min(amount, MAX_AMOUNT))

    def most(self, held: ClientStream) -> int:
        """The most a stream may cost that is cancelled now: an honest provider was at most a window beyond what is
        signed.
        """
        running = self.account.running.get(held.request.request_id)
        ahead = max(0, self.signed - self.account.owed) + self.account.window
        return ahead + (running.amount if running else 0)

    def _explained(self, states: Collection[StreamState]) -> int:
        """The most that PAY_FIRST may ask while inputs in these states are not accepted yet."""
        return min(self.account.cap, self.account.owed + self._inputs(states) + self.limits.advance)

    def _inputs(self, states: Collection[StreamState]) -> int:
        """The most that the inputs of streams in these states cost, where they are not accepted yet."""
        return sum(
            held.request.most_input for held in self._streams.values() if held.state in states and not held.accepted
        )

    def _any(self, states: Collection[StreamState]) -> bool:
        return any(held.state in states for held in self._streams.values())
