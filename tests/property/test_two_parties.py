"""A provider and a client over a network that drops, holds back, repeats and reorders, with crashes of both: whatever
happens in whatever order, every answer is whole as far as it came, and nobody loses more than was agreed.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tallystick_shared.session import ProviderSession
from tallystick_shared.session.detached import ShelfLimits
from tallystick_shared.session.tables import LIVE, ConnectionState
from tests.property.parties import ADVANCE, CRYPTO, OUT, PAIR, Client, Connection, Provider, text_of
from tests.shared.pair import WALL, WINDOW

KEPT = ShelfLimits()
luck = st.integers(0, 3)  # what breaks things is rarer than what uses them
STEP = 0.1
COMPLETE = ("stop", "length")


class TwoParties(RuleBasedStateMachine):
    """One channel, any number of connections, one after the other and beside each other."""

    @initialize(window=st.sampled_from([0, OUT, 10 * OUT, WINDOW]), cap=st.sampled_from([60 * OUT, 10**12]))
    def begin(self, window, cap):
        self.now = 0.0
        self.provider, self.client = Provider(cap, window), Client(cap)
        self.connections: list[Connection] = []
        self.losses = 0
        self.client_crashes = 0
        self.marks = (0, 0, 0)
        self.connect()

    # -- the network

    @property
    def current(self) -> Connection:
        return self.connections[-1]

    def connect(self):
        client = self.client.dial()
        client.now = self.now
        self.connections.append(Connection(client, self.provider.accept(self.now)))
        client.start()
        self.collect()
        self.flow(0)

    def collect(self):
        """What sessions have to say is on its way now."""
        for connection in self.connections:
            messages = connection.client.outgoing()
            connection.up += messages
            connection.sent += messages
            connection.down += connection.provider.outgoing()

    def carry(self, connection, side, count):
        """So many messages arrive."""
        queue, end = (connection.up, connection.provider) if side == "up" else (connection.down, connection.client)
        for _ in range(min(count, len(queue))):
            end.receive(queue.popleft(), self.now)
            self.provider.serve()
            self.client.serve()
            self.collect()

    def pass_time(self, seconds):
        self.now += seconds
        for connection in self.connections:
            if connection.client is self.client.session:
                connection.client.tick(self.now)
        self.client.serve()
        self.provider.tick(self.now)
        self.collect()

    def flow(self, seconds):
        """The connection of now does what it should."""
        for _ in range(round(seconds / STEP) + 1):
            self.pass_time(STEP)
            while self.current.up or self.current.down:
                self.carry(self.current, "up", 100)
                self.carry(self.current, "down", 100)

    def broken(self):
        return self.client.session is None or self.client.session.closed

    # -- what people and engines do

    @precondition(lambda self: self.client.ready)
    @rule(size=st.sampled_from([0, 4, 160, 5000]), most=st.sampled_from([1, 5, 1000]))
    def ask(self, size, most):
        if sum(held.state in LIVE for held in self.client.session.streams.values()) < 8:
            self.client.ask(size, most)
            self.collect()

    @rule(pick=st.integers(0, 7), count=st.integers(1, 25))
    def make(self, pick, count):
        self.provider.make(pick, count)

    @rule(pick=st.integers(0, 7))
    def finish(self, pick):
        self.provider.finish(pick)

    @rule(pick=st.integers(0, 7))
    def stop(self, pick):
        if self.client.session is not None:
            going = [number for number, held in self.client.session.streams.items() if held.state in LIVE]
            if going:
                self.client.session.cancel(going[pick % len(going)])
                self.collect()

    @rule(size=st.sampled_from([4, 160]), count=st.integers(1, 30), seconds=st.sampled_from([0.3, 0.7, 2.0]))
    def exchange(self, size, count, seconds):
        """Most of what happens in real life."""
        if self.client.ready and self.client.session.purse.account.owed < self.client.cap:
            self.ask(size, 1000)
            self.flow(seconds)
            self.provider.make(0, count)
            self.flow(seconds)

    @rule(
        count=st.integers(1, 12),
        more=st.integers(0, 12),
        swallowed=st.integers(0, 4),
        who=st.sampled_from(["client", "provider", "both"]),
        away=st.sampled_from([0.0, 0.0, 1.0, 6.0, 130.0]),
    )
    def cut_in_mid_answer(self, count, more, swallowed, who, away):
        """And most of what happens where the network is bad."""
        if not self.client.ready or self.client.session.purse.account.owed >= self.client.cap:
            return
        self.ask(16, 1000)
        self.flow(0.8)
        for part in (count, more):
            for pick in range(8):
                self.provider.make(pick, part)
            self.flow(0.3 if part is count else 0)
        for _ in range(swallowed):
            self.pass_time(STEP)
        self.lose(who, False, 0)
        for pick in range(8):
            self.provider.make(pick, more)
        self.pass_time(away)
        self.current.client.lost()
        self.client.serve()
        self.connect()
        self.flow(0.6)

    @rule(seconds=st.sampled_from([0.1, 0.4, 2.0]))
    def wait(self, seconds):
        self.flow(seconds)

    @rule(writes=st.booleans())
    def disk(self, writes):
        self.provider.writes = writes
        self.provider.write()
        self.provider.serve()
        self.collect()

    # -- what the network does

    @rule(pick=st.integers(0, 3), side=st.sampled_from(["up", "down"]), count=st.integers(1, 3))
    def late(self, pick, side, count):
        """Some messages of any connection arrive, also of one that others have long replaced."""
        self.carry(self.connections[-1 - pick % len(self.connections)], side, count)

    @rule(seconds=st.sampled_from([0.1, 0.5, 6.0]))
    def silence(self, seconds):
        """Time passes, and nothing arrives."""
        self.pass_time(seconds)

    @rule(who=st.sampled_from(["client", "provider", "both"]), flush=st.booleans(), luck=luck)
    def lose(self, who, flush, luck):
        """The socket breaks. Who notices may lose what was on its way to it; the other may yet get the rest."""
        if luck:
            return
        self.losses += 1
        connection = self.current
        if who in ("client", "both"):
            if flush:
                self.carry(connection, "down", 1000)
            connection.down.clear()
            connection.client.lost()
        if who in ("provider", "both"):
            if flush:
                self.carry(connection, "up", 1000)
            connection.up.clear()
            connection.provider.lost()
        self.provider.serve()
        self.client.serve()

    @precondition(lambda self: self.broken())
    @rule()
    def come_back(self):
        self.connect()

    @precondition(lambda self: self.client.ready)
    @rule(luck=luck)
    def renew(self, luck):
        """An hour is over, say: a new connection beside the old one, whose messages may come at any time."""
        if not luck and self.client.session.live:
            self.connect()

    @rule(pick=st.integers(0, 3), luck=luck)
    def repeat(self, pick, luck):
        """A message comes twice: that connection ends."""
        connection = self.connections[-1 - pick % len(self.connections)]
        if luck or not connection.up or connection.provider.state is not ConnectionState.READY:
            return
        message = connection.up[0]
        self.carry(connection, "up", 1)
        closed = connection.provider.closed
        connection.provider.receive(message, self.now)
        assert closed or connection.provider.closed
        self.losses += 1
        self.provider.serve()
        self.collect()

    @rule(pick=st.integers(0, 3), luck=luck)
    def replay(self, pick, luck):
        """All that a connection ever carried comes once more, over one of its own: nobody is let in."""
        if luck:
            return
        session = ProviderSession(CRYPTO, PAIR.identity, WALL, shelf=self.provider.shelf)
        for message in self.connections[-1 - pick % len(self.connections)].sent:
            session.receive(message, self.now)
        assert session.state in (ConnectionState.KEYED, ConnectionState.CLOSED) and not session.streams

    # -- crashes

    @rule(luck=luck)
    def provider_crashes(self, luck):
        if luck:
            return
        before, stored = self.provider.crash(), self.provider.disk.owed
        assert before - stored <= self.provider.window or before - stored <= OUT  # or one unit that is dearer
        for connection in self.connections:
            connection.up.clear()
            connection.down.clear()
            connection.client.lost()
        self.client.serve()

    @rule(luck=luck)
    def client_crashes_too(self, luck):
        if luck:
            return
        self.client_crashes += 1
        self.client.crash()
        self.current.down.clear()

    # -- what must hold

    @invariant()
    def owed_within_window_and_cap(self):
        account = self.provider.account
        assert account.owed <= account.cap
        assert account.credit <= account.window

    @invariant()
    def nothing_is_signed_beyond_what_came_and_the_advance(self):
        """The price of input accepted and DATA received, one advance ahead of it, and one for what was never seen."""
        for signed in (self.client.store.signed, self.client.session.signed if self.client.session else 0):
            assert signed <= self.client.cap
            assert signed <= self.client.seen() + self.client.unheard() + 2 * ADVANCE
        assert self.provider.disk.highest.amount <= self.client.store.signed

    @invariant()
    def amounts_only_rise(self):
        marks = (self.client.store.signed, self.provider.disk.highest.amount, self.provider.disk.owed)
        assert all(now >= before for now, before in zip(marks, self.marks, strict=True))
        self.marks = marks

    @invariant()
    def text_is_whole_as_far_as_it_came(self):
        for request_id, heard in self.client.heard.items():
            assert bytes(heard) == text_of(request_id, self.client.units.get(request_id, 0))

    @invariant()
    def nothing_is_done_twice(self):
        assert all(times == 1 for times in self.provider.served.values())

    @invariant()
    def the_client_counts_no_more_than_the_provider(self):
        if self.client.session is not None and not self.provider.crashes:
            assert self.client.session.account.owed <= self.provider.account.owed

    @invariant()
    def memory_is_bounded(self):
        shelf = self.provider.shelf
        assert len(shelf) <= KEPT.channel_streams and shelf.size <= KEPT.channel_streams * KEPT.stream_bytes

    def teardown(self):
        """Left alone, everything comes to its end; then both count the same, and all of it is paid."""
        if not hasattr(self, "client"):
            return
        self.disk(True)
        for patience in reversed(range(200)):
            if patience == 100:  # where each unit waits for its own voucher, much of it takes long
                for number in list(self.client.session.streams):
                    self.client.session.cancel(number)
            if self.current.provider.closed:  # silence tells the client so
                self.current.client.lost()
            if self.broken():
                self.connect()
            for pick in range(8):
                self.provider.finish(pick)
            self.flow(1.0)
            if not self.client.session.live and not self.broken():
                break
        assert not self.client.session.live, "a stream hangs"
        self.flow(3.0)
        for connection in self.connections[:-1]:
            connection.provider.lost()
        self.provider.serve()
        self.pass_time(KEPT.seconds)
        self.provider.serve()
        self.at_rest()

    def at_rest(self):
        provider, client = self.provider, self.client
        assert not provider.account.running and not len(provider.shelf)
        assert all(state.ending or state.state not in LIVE for state in self.current.provider.streams.values())
        for request_id, end in client.ends.items():
            made = provider.engines[request_id].made if request_id in provider.engines else 0
            if end in COMPLETE and not provider.crashes:
                assert client.units.get(request_id, 0) == made
        session = client.session
        assert session.signed >= min(session.account.owed, client.cap)
        if not provider.crashes and session.purse.unseen < ADVANCE:
            assert session.account.owed == provider.account.owed
        if not provider.crashes and not self.client_crashes and not self.losses:
            assert session.purse.unseen == 0


full = bool(os.environ.get("TALLYSTICK_FULL"))
TwoParties.TestCase.settings = settings(max_examples=20_000 if full else 100, stateful_step_count=20, deadline=None)
TestTwoParties = pytest.mark.timeout(3600)(TwoParties.TestCase)


def test_what_ended_with_a_fault_is_told_to_whoever_asks_for_it_again() -> None:
    """Found by the machine: a record that came twice ended the connection, and `gone` said that nothing was owed."""
    parties = TwoParties()
    parties.begin(window=4_000_000, cap=240_000_000)
    parties.ask(most=1, size=0)
    parties.repeat(luck=0, pick=0)
    parties.exchange(count=1, seconds=0.3, size=4)
    parties.come_back()
    parties.ask(most=1, size=0)
    parties.repeat(luck=0, pick=0)
    parties.teardown()
    assert parties.client.session.account.owed == parties.provider.account.owed > 0
