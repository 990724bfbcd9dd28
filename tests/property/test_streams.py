"""Two sessions and a wire that fails: whatever the order, nobody is owed more than agreed, and nothing raises.

The provider here is honest and the client too; what is arbitrary is everything between and around them: engines that
are slow or fail, disks that wait, people who stop, sockets that break, attackers who repeat or change a message.
"""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.session import Request, Resume
from tallystick_shared.session import events as ev
from tallystick_shared.session.tables import LIVE, ConnectionState
from tallystick_shared.voucher import NOTHING
from tests.shared.pair import WINDOW, Pair
from tests.shared.tools import flipped

CRYPTO = NativeCrypto()
IN, OUT = 10**6, 4 * 10**6
luck = st.integers(0, 5)  # what breaks a connection is rarer than what uses it


class Kept(Pair):
    """A pair whose client keeps what a User would keep, and whose provider may be slow to write and to count."""

    def _client_driver(self, event: ev.Event) -> None:
        if isinstance(event, ev.VoucherDue):
            self.keep(event.amount)
        super()._client_driver(event)
        if isinstance(event, ev.Finished | ev.Refused) and not self.client.live:
            self.keep(0)

    def keep(self, amount: int, asking: Request | None = None) -> None:
        purse, live = self.client.purse, self.client.live or asking is not None
        best = max(amount, purse.signed, self.resume.signed)
        waiting = purse.waiting + (asking.most_input if asking else 0)
        self.resume = Resume(best, purse.account.owed, live, waiting, purse.unseen)

    def _provider_driver(self, event: ev.Event) -> None:
        if isinstance(event, ev.VoucherReceived):
            self.highest = event.voucher
        super()._provider_driver(event)


class Streams(RuleBasedStateMachine):
    """Any order of questions, answers, stops, faults, slow disks and cuts on one channel."""

    @initialize(
        window=st.sampled_from([0, OUT, 10 * OUT, WINDOW]), cap=st.sampled_from([100 * OUT, 10**12]), low=st.booleans()
    )
    def begin(self, window, cap, low):
        self.pair = Kept(CRYPTO, window=window, cap=cap, low_latency=low).connect()
        self.cuts = 0
        self.received = 0  # what finished streams cost, reckoned from what the client saw
        self.closed_for: list[Code] = []

    # -- what people and engines do

    @precondition(lambda self: self.up)
    @rule(size=st.sampled_from([0, 1, 160, 500, 5000]), most=st.sampled_from([1, 5, 1000]))
    def ask(self, size, most):
        if sum(held.state in LIVE for held in self.pair.client.streams.values()) >= 8:
            return
        request = self.pair.request(b"q" * size, most)
        amount = self.pair.client.first_amount(request)
        self.pair.keep(amount, request)
        self.pair.client.open(request, amount)
        self.pair.settle()

    @precondition(lambda self: self.up)
    @rule(
        size=st.sampled_from([160, 500]),
        count=st.integers(1, 60),
        end=st.booleans(),
        seconds=st.sampled_from([0.3, 1.5]),
    )
    def exchange(self, size, count, end, seconds):
        """Most of what happens in real life: a question, some time, an answer, some time."""
        self.ask(size, 1000)
        self.pair.pass_time(seconds)
        self.make(7, count, b"word ")
        if end:
            self.finish(7, "stop")
        self.pair.pass_time(seconds)

    @rule(pick=st.integers(0, 7), count=st.integers(1, 40), piece=st.sampled_from([b"word ", b"w", b"w" * 600]))
    def make(self, pick, count, piece):
        for stream, left in self.granted(pick):
            self.pair.engine(stream, min(count, left), piece)

    @rule(pick=st.integers(0, 7), reason=st.sampled_from(["stop", "length"]))
    def finish(self, pick, reason):
        for stream, _ in self.granted(pick):
            self.pair.provider.finish(stream, reason)

    @rule(pick=st.integers(0, 7))
    def fail(self, pick):
        for stream, _ in self.granted(pick):
            self.pair.provider.fail(stream, PeerError(Code.ENGINE_FAILED))

    @rule(pick=st.integers(0, 7))
    def stop(self, pick):
        streams = [number for number, held in self.pair.client.streams.items() if held.state in LIVE]
        if self.up and streams:
            self.pair.client.cancel(streams[pick % len(streams)])
            self.pair.settle()

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.5, 3.0]))
    def wait(self, seconds):
        self.pair.pass_time(seconds)

    @rule(durable=st.booleans())
    def disk(self, durable):
        """Whether the provider's disk answers. What was written meanwhile counts once it does."""
        self.pair.durable = durable
        if durable and self.pair.highest.amount > self.pair.account.durable:
            self.pair.provider.voucher_durable(self.pair.highest)
            self.pair.settle()

    # -- what the network does

    @precondition(lambda self: self.up)
    @rule(
        side=st.sampled_from(["client", "provider"]),
        how=st.sampled_from(["repeat", "flip"]),
        at=st.integers(0, 10**6),
        luck=luck,
    )
    def attack(self, side, how, at, luck):
        """The last message of a side comes once more, as it was or changed: that connection ends."""
        if luck:
            return
        messages = [message for sender, message in self.pair.wire if sender == side]
        bad = messages[-1] if how == "repeat" else flipped(messages[-1], at % len(messages[-1]))
        target = self.pair.provider if side == "client" else self.pair.client
        target.receive(bad, self.pair.now)
        assert target.closed
        self.pair.settle()
        self.cut(0)

    @rule(luck=luck)
    def cut(self, luck):
        """The socket breaks; both learn of it, and the client comes back with what it kept."""
        if luck:
            return
        self.pair.client.lost()
        self.pair.provider.lost()
        self.pair.provider.outgoing()
        self.pair.client.outgoing()
        self.pair.settle()
        self.note()
        self.cuts += 1
        old, highest = self.pair, self.pair.highest
        account = old.account
        written = highest if highest.amount <= account.durable else NOTHING
        if not written.amount and account.durable:
            written = old.client._payment.sign(CRYPTO, old.session_key, account.durable)
        self.pair = Kept(
            CRYPTO, window=old.window, cap=old.cap, low_latency=old.low_latency, resume=old.resume, account=account,
            highest=written, now=old.now, durable=old.durable, shelf=old.shelf,
        ).connect()  # fmt: skip
        assert self.up

    # -- what must hold

    @property
    def up(self) -> bool:
        return self.pair.client.state is ConnectionState.READY and self.pair.provider.state is ConnectionState.READY

    def granted(self, pick):
        """(stream, units left) of one stream that the provider may work on, if there is any."""
        if not self.up:
            return []
        ready = {event.stream: event.units for event in self.pair.seen(ev.RequestReady, "provider")}
        running = [
            (number, ready[number] - held.queued_units)
            for number, held in self.pair.provider.streams.items()
            if number in ready and held.state in LIVE and not held.finish
        ]
        return [running[pick % len(running)]] if running else []

    def note(self):
        for side in ("client", "provider"):
            for event in self.pair.seen(ev.Closed, side):
                if event.error:
                    self.closed_for.append(event.error.code)

    def reckoned(self) -> int:
        """What this connection's streams cost by what the client saw of them: our own sum, not the account's."""
        inputs = {event.stream: event.input_units for event in self.pair.seen(ev.Accepted)}
        outputs = {event.stream: event.units for event in self.pair.seen(ev.Output)}
        return sum(units * IN + outputs.get(stream, 0) * OUT for stream, units in inputs.items())

    @invariant()
    def the_provider_is_within_window_and_cap(self):
        account = self.pair.account
        assert account.owed <= account.cap
        assert account.credit <= account.window

    @invariant()
    def the_client_signs_for_what_it_received_and_its_advance(self):
        client = self.pair.client
        base = self.pair.seen(ev.Ready)[0].owed if self.pair.seen(ev.Ready) else 0
        assert client.account.owed == base + self.reckoned()
        assert client.signed <= self.pair.cap
        inputs = sum((len(held.request.input) + 64) * IN for held in client.streams.values())
        assert client.signed <= max(
            self.pair.resume.signed, base + self.reckoned() + inputs + client.purse.limits.advance
        )

    @invariant()
    def nothing_counts_that_was_not_signed_or_not_kept(self):
        assert self.pair.account.durable <= self.pair.client.signed
        assert self.pair.client.signed <= max(self.pair.resume.signed, self.pair.highest.amount)

    @invariant()
    def the_client_never_counts_more_than_the_provider(self):
        assert self.pair.client.account.owed <= self.pair.account.owed

    @invariant()
    def nobody_faults_an_honest_peer(self):
        self.note()
        assert set(self.closed_for) <= {Code.TAMPERED, Code.TRUNCATED, Code.PROTOCOL}

    def teardown(self):
        """Left alone, everything ends; then both count the same and all of it is paid."""
        if not hasattr(self, "pair"):
            return
        self.disk(True)
        owed, patience = -1, 60
        while self.pair.client.live:  # where a unit is dearer than the window, each waits for its own voucher
            patience = patience - 1 if self.pair.account.owed == owed else 60
            owed = self.pair.account.owed
            assert patience, "a stream hangs"
            for number, held in list(self.pair.provider.streams.items()):
                if held.state in LIVE:
                    self.pair.provider.finish(number, "stop")
            self.pair.pass_time(0.5)
        self.pair.pass_time(3)
        assert self.pair.client.signed >= self.pair.client.account.owed
        if self.pair.client.purse.unseen < self.pair.client.purse.limits.advance:
            assert self.pair.client.account.owed == self.pair.account.owed
        if not self.cuts:  # a voucher that a cut swallowed is signed again beside the next OPEN
            assert self.pair.account.owed <= self.pair.account.durable


full = bool(os.environ.get("TALLYSTICK_FULL"))
Streams.TestCase.settings = settings(
    max_examples=100 if full else 12, stateful_step_count=50 if full else 25, deadline=None
)
TestStreams = Streams.TestCase
