"""A guest and what a provider gives away, both ends: a chat like any other, without a channel, and nothing owed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tallystick_shared.chains import Deployment
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.market import Listing
from tallystick_shared.messages import (
    Auth,
    Body,
    Cancel,
    Data,
    End,
    Open,
    ResumeAt,
    Voucher,
    Window,
    amount_bytes,
    encode_body,
)  # fmt: skip
from tallystick_shared.records import Record, Type
from tallystick_shared.session import events as ev
from tallystick_shared.session.guest import FREE, NOTHING
from tallystick_shared.session.shape import TEXT
from tallystick_shared.session.tables import ConnectionState
from tallystick_shared.trial import SERVICE, Visitor
from tests.shared.pair import CHAIN, CHANNELS, OFFER, REGISTRY, Pair
from tests.shared.stage import Stage
from tests.shared.tools import drive, refused

QUESTION = b"What is a tally stick?"


class Trial(Stage):
    """A visitor instead of a user."""

    def visitor(self) -> Visitor:
        pair = self.pair
        where = Deployment(CHAIN, REGISTRY, CHANNELS, 0)
        made = Visitor(pair.crypto, self, where, Listing(pair.owner, 0, 1, pair.profile()), self.events.append)
        self._running, self._ended = made.run(), False
        return made


@pytest.fixture
def trial(crypto):
    return Trial(Pair(crypto))


def ask(visitor: Visitor, most: int = 40) -> int:
    return drive(visitor.ask(SERVICE, b"", QUESTION, "toy", most))


def go(trial: Trial) -> Trial:
    """Connects, asks once, and goes on to the end."""
    visitor = trial.visitor()
    trial.until(ev.Ready)
    ask(visitor)
    trial.end()
    return trial


def of(trial: Trial, kind: type[ev.Event]) -> list[Any]:
    """What the provider's end of it told."""
    return [event for event in trial.provider_events if isinstance(event, kind)]


def test_an_answer_for_nothing(trial):
    go(trial)
    (finished,) = trial.seen(ev.Finished)
    assert (finished.finish, finished.units, finished.amount) == ("stop", 30, 0)
    assert finished.receipt.channel_id == NOTHING and finished.receipt.amount == 0
    assert b"".join(event.data for event in trial.seen(ev.Output)) == b"word " * 30
    assert trial.saved == [] and trial.events[-1] == ev.Closed(None), "nothing to keep, an orderly end"
    (offered,) = of(trial, ev.RequestOffered)
    assert (offered.open.service, offered.open.price_in, offered.open.price_out) == (SERVICE, FREE, FREE)
    assert trial.provider.account.owed == 0 and trial.provider.shape is TEXT


def test_nothing_of_it_outlives_its_connection(trial):
    trial.answers[ev.RequestReady] = lambda event: trial.provider.data(event.stream, b"one ", 1)
    visitor = trial.visitor()
    trial.until(ev.Ready)
    ask(visitor)
    trial.until(ev.Output)
    trial.wire.broken = True
    trial.end()
    assert trial.events[-1].error.code is Code.TRUNCATED and len(trial.dialled) == 1, "it is not dialled again"
    trial.serve()
    (stopped,) = of(trial, ev.Stopped)
    assert stopped.reason == "lost" and not trial.pair.shelf._streams and len(trial.pair.shelf) == 0


@pytest.mark.parametrize("code", [Code.TRIAL_OVER, Code.UNKNOWN_SERVICE, Code.BUSY])
def test_a_refusal_says_when_to_come_back(trial, code):
    def refuse(event: ev.RequestOffered) -> None:
        trial.provider.fail(event.stream, PeerError(code), retry_after_ms=86_000_000)

    trial.answers[ev.RequestOffered] = refuse
    go(trial)
    (refusal,) = trial.seen(ev.Refused)
    assert refusal.error.code is code and refusal.retryable and refusal.retry_after_ms == 86_000_000
    assert trial.events[-1] == ev.Closed(None)


def test_an_input_that_is_too_long(trial, crypto):
    visitor = trial.visitor()
    trial.until(ev.Ready)
    with refused(Code.PROMPT_TOO_LONG):
        drive(visitor.ask(SERVICE, b"", bytes(16 * 1024 + 1), "toy", 40))
    long = Open(bytes(16), SERVICE, "toy", b"", 16 * 1024 + 1, 40, FREE, FREE)
    assert refusals(visiting(crypto), Type.OPEN, long) == [Code.PROMPT_TOO_LONG]


def test_stopped_in_the_middle(trial):
    def endless(event: ev.RequestReady) -> None:
        for _ in range(3000):
            trial.provider.data(event.stream, b"word ", 1)

    trial.answers[ev.RequestReady] = endless
    visitor = trial.visitor()
    trial.until(ev.Ready)
    stream = ask(visitor, 4000)
    trial.until(ev.Output)
    drive(visitor.stop(stream))
    trial.end()
    assert trial.seen(ev.Finished)[0].finish == "cancelled" and trial.events[-1] == ev.Closed(None)


def test_a_guest_asks_once(trial):
    visitor = trial.visitor()
    trial.until(ev.Ready)
    ask(visitor)
    with refused(Code.PROVIDER_GONE):
        ask(visitor)


# -- what a guest may not do on such a connection


OPEN = Open(bytes(16), SERVICE, "toy", b"", 4, 40, FREE, FREE)


def visiting(crypto) -> Pair:
    """A guest who has not asked yet."""
    pair = Pair(crypto)
    pair.client.start()
    pair.client.authenticate = lambda *_: setattr(pair.client, "state", ConnectionState.GUEST)  # type: ignore[method-assign]
    pair.settle()
    return pair


def refusals(pair: Pair, kind: Type, body: Body, stream: int = 1) -> list[Code]:
    """One more record from the guest; with which codes streams or the connection end."""
    heard: list[Code] = []
    pair.client._handle = lambda number, got: heard.append(Code(got.code)) if hasattr(got, "code") else None
    pair.client._send(Record(kind, stream, encode_body(body)))
    pair.settle()
    pair.pass_time(0.3)
    ends = [event.error.code for event in pair.provider_events if isinstance(event, ev.Closed) and event.error]
    return ends or heard


@pytest.mark.parametrize("price", ["price_in", "price_out"])
def test_nobody_pays_for_it(crypto, price):
    dear = msgspec.structs.replace(OPEN, **{price: amount_bytes(1)})
    assert refusals(visiting(crypto), Type.OPEN, dear) == [Code.BAD_REQUEST]


@pytest.mark.parametrize(
    ("kind", "body", "stream"),
    [
        (Type.OPEN, msgspec.structs.replace(OPEN, request_id=b"\x01" * 16), 3),
        (Type.RESUME, ResumeAt(bytes(16), 1, FREE), 3),
        (Type.VOUCHER, Voucher(amount_bytes(1), bytes(65)), 0),
        (Type.WINDOW, Window(1 << 20), 1),
        (Type.CANCEL, Cancel(0), 5),
        (Type.DATA, Data(1, 1, 0, b"x"), 1),
    ],
)
def test_one_stream_and_no_money(crypto, kind, body, stream):
    pair = visiting(crypto)
    assert refusals(pair, Type.OPEN, OPEN) == []
    assert refusals(pair, kind, body, stream) == [Code.PROTOCOL]


def test_stream_zero_is_nobodys(crypto):
    assert refusals(visiting(crypto), Type.OPEN, OPEN, 0) == [Code.PROTOCOL]


def test_no_channel_after_it(crypto):
    pair = visiting(crypto)
    assert refusals(pair, Type.OPEN, OPEN) == []
    proof = Auth(CHANNELS, pair.config.body(), NOTHING, (), bytes(65), 1)
    assert refusals(pair, Type.AUTH, proof, 0) == [Code.PROTOCOL]


# -- providers that cheat


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": amount_bytes(1)}, Code.OVERCHARGED),
        ({"digest": bytes(32)}, Code.BAD_DIGEST),
        ({"receipt": bytes(65)}, Code.BAD_RECEIPT),
    ],
)
def test_an_end_that_does_not_fit(trial, changes, code):
    provider = trial.pair.provider
    real = provider._conclude

    def lie(number, held):
        record = real(number, held)
        end = msgspec.structs.replace(msgspec.msgpack.decode(record.body, type=End), **changes)
        return replace(record, body=encode_body(end))

    provider._conclude = lie
    go(trial)
    assert trial.events[-1].error.code is code and not trial.seen(ev.Finished)


def test_it_asks_for_no_money(trial):
    def greedy(event: ev.InputComplete) -> None:
        trial.provider.measure(event.stream, 10**6, OFFER.manifest)

    trial.answers[ev.InputComplete] = greedy
    go(trial)
    assert trial.events[-1].error.code is Code.OVERCHARGED, "more units than bytes, whatever they cost"
