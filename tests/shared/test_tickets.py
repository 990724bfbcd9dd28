"""Tickets: given to who proved a channel, good once, for a while, and in bounded numbers."""

from __future__ import annotations

import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.records import PLAIN_SUITE, SUITE, Frame
from tallystick_shared.session import ProviderSession
from tallystick_shared.session import events as ev
from tallystick_shared.session.tickets import COUNT, LIFETIME, NO_TICKET, PER_CHANNEL, TicketBook
from tests.shared.pair import WALL, Pair

CHANNEL, OTHER = b"\x01" * 32, b"\x02" * 32


@pytest.fixture
def book(crypto):
    return TicketBook(crypto)


def met(crypto, book, ticket=NO_TICKET, suite=SUITE) -> Pair:
    """A connection whose client shows this ticket to a node with this book."""
    pair = Pair(crypto, suite=suite)
    pair.provider = ProviderSession(crypto, pair.identity, WALL, book)
    pair.client.start(ticket)
    pair.settle()
    return pair


def test_each_is_good_once(book):
    tickets = book.issue(CHANNEL, 0.0)
    assert len(set(tickets)) == len(tickets) == len(book) == COUNT
    assert [book.spend(ticket, 1.0) for ticket in (*tickets, *tickets)] == [True] * COUNT + [False] * COUNT
    assert len(book) == 0


@pytest.mark.parametrize("ticket", [NO_TICKET, b"", b"\x09" * 32, b"\x09" * 31])
def test_others_are_none(book, ticket):
    book.issue(CHANNEL, 0.0)
    assert not book.spend(ticket, 0.0)


def test_they_end(book):
    early, late = book.issue(CHANNEL, 0.0), book.issue(OTHER, 10.0)
    assert book.spend(early[0], LIFETIME - 1)
    assert not book.spend(early[1], LIFETIME)
    assert book.spend(late[0], LIFETIME)


def test_what_has_ended_is_forgotten(book):
    book.issue(CHANNEL, 0.0)
    book.issue(OTHER, LIFETIME)
    assert len(book) == COUNT


def test_a_channel_has_so_many_and_the_newest_count(book):
    issued = [book.issue(CHANNEL, float(now)) for now in range(PER_CHANNEL)]
    (kept,) = book.issue(OTHER, 0.0)[:1]
    assert len(book) == PER_CHANNEL + COUNT
    assert not book.spend(issued[0][0], 1.0)
    assert book.spend(issued[-1][0], 1.0) and book.spend(kept, 1.0)


def test_all_together_have_so_many(crypto):
    book = TicketBook(crypto, most=10)
    issued = [book.issue(bytes([number]) * 32, 0.0) for number in range(20)]
    assert len(book) == 10 and len(book._channels) == 5
    assert not book.spend(issued[0][0], 0.0) and book.spend(issued[-1][1], 0.0)


# -- in a session


@pytest.mark.parametrize("suite", [PLAIN_SUITE, SUITE])
def test_a_ticket_makes_the_next_connection_known_before_auth(crypto, book, suite):
    first = met(crypto, book, suite=suite)
    assert not first.provider.ticket_holder
    (ready,) = first.seen(ev.Ready)
    assert len(ready.tickets) == COUNT
    second = met(crypto, book, ready.tickets[0], suite)
    assert second.provider.ticket_holder
    assert [event.ticket_holder for event in second.seen(ev.Keyed, "provider")] == [True]
    assert second.provider_events.index(second.seen(ev.Keyed, "provider")[0]) == 0
    assert set(second.seen(ev.Ready)[0].tickets).isdisjoint(ready.tickets)


def test_message_1_sent_again_finds_its_ticket_spent(crypto, book):
    ticket = met(crypto, book).seen(ev.Ready)[0].tickets[0]
    pair = met(crypto, book, ticket)
    again = ProviderSession(crypto, pair.identity, WALL, book)
    again.receive(pair.wire[0][1], 0.0)
    assert [event.ticket_holder for event in again.events()] == [False]


def test_with_and_without_a_ticket_looks_the_same(crypto, book):
    """And so does AUTH_OK where there are none, or no voucher yet."""
    ticket = met(crypto, book).seen(ev.Ready)[0].tickets[0]
    sizes = [[(side, len(message)) for side, message in met(*args).wire] for args in (
        (crypto, book), (crypto, book, ticket), (crypto, None), (crypto, book, b"\x09" * 32)
    )]  # fmt: skip
    assert sizes[1:] == sizes[:1] * 3


def test_a_connection_that_was_refused_gets_none(crypto, book):
    pair = Pair(crypto)
    pair.provider = ProviderSession(crypto, pair.identity, WALL + 121, book)
    pair.connect()
    assert pair.provider.closed and len(book) == 0
    assert Frame.RECORD in [message[0] for _, message in pair.wire]


@pytest.mark.parametrize("suite", [PLAIN_SUITE, SUITE])
def test_an_answer_is_weighed_before_it_is_made(crypto, book, suite):
    """Whoever weighs is told whether a ticket was shown, and its refusal reaches the client before a key does."""
    told = []

    def weigh(holder):
        told.append(holder)
        if not holder:
            raise PeerError(Code.TOO_MANY_CONNECTIONS)

    for ticket in (NO_TICKET, book.issue(CHANNEL, 0.0)[0]):
        pair = Pair(crypto, suite=suite)
        pair.provider = ProviderSession(crypto, pair.identity, WALL, book, weigh)
        pair.client.start(ticket)
        pair.settle()
        keyed = pair.seen(ev.Keyed, "provider")
        assert [event.ticket_holder for event in keyed] == ([True] if told[-1] else [])
    assert told == [False, True]
