"""A user at work, over seats in memory and without real time."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.chat import chat_input
from tallystick_shared.deposit import Agreed
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import MAX_INPUT, amount_bytes, amount_int
from tallystick_shared.records import ALONE, LOW_LATENCY, RICH
from tallystick_shared.session import ClientLimits, Resume
from tallystick_shared.session import events as ev
from tallystick_shared.session.shape import BULK
from tallystick_shared.session.tables import ConnectionState
from tallystick_shared.session.tickets import TicketBook
from tallystick_shared.user import (
    CLOSE_TIMEOUT,
    CONNECT_TIMEOUT,
    MAX_TICKETS,
    REST,
    SILENCE_TIMEOUT,
    STALL_TIMEOUT,
    STOP_TIMEOUT,
)
from tallystick_shared.user_seats import limits_at
from tests.shared.pair import OFFER, WINDOW, Pair
from tests.shared.stage import Stage
from tests.shared.tools import drive, refused

IN, OUT = 10**6, 4 * 10**6
PROMPT = chat_input([("user", "hello " * 30)])
COST = len(PROMPT) // 4 * IN + 30 * OUT
LIMITS = ClientLimits(WINDOW, WINDOW)


@pytest.fixture
def stage(crypto):
    return Stage(Pair(crypto))


def ask(user, prompt=PROMPT, units=100):
    return drive(user.ask("chat", b"", prompt, "toy", units))


def last_error(stage):
    closed = stage.events[-1]
    assert isinstance(closed, ev.Closed) and len(stage.seen(ev.Closed)) == 1
    return closed.error.code if closed.error else None


def test_connect_ask_close(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    assert user.ready
    stream = ask(user)
    finished = stage.until(ev.Finished)
    assert (finished.stream, finished.units, finished.amount) == (stream, 30, COST)
    assert b"".join(event.data for event in stage.seen(ev.Output)) == b"word " * 30
    drive(user.close_deposit())
    assert stage.until(ev.CloseAccepted).transaction == b"\x09" * 32
    stage.end()
    assert last_error(stage) is None and not user.ready
    assert stage.wire.closed == 1
    assert stage.pair.highest.amount == COST == stage.kept.signed


def test_every_amount_is_kept_before_its_signature_leaves(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    kept_at_arrival = []
    stage.answers[ev.VoucherReceived] = lambda event: (
        kept_at_arrival.append(stage.kept.signed >= event.voucher.amount),
        stage.provider.voucher_durable(event.voucher),
    )
    ask(user)
    stage.until(ev.Finished)
    assert len(kept_at_arrival) > 1 and all(kept_at_arrival)


def test_what_is_kept_never_falls(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    for _ in range(3):
        ask(user)
        stage.until(ev.Finished)
    amounts = [resume.signed for resume in stage.saved]
    assert amounts == sorted(amounts)
    assert stage.kept == Resume(3 * COST, 3 * COST, False)


def test_each_connection_shows_a_ticket_of_the_one_before(stage):
    """Kept with what is kept anyway, and none twice."""
    stage.tickets = TicketBook(stage.pair.crypto)
    shown = []
    for _ in range(4):
        stage.again()
        user = stage.user(limits=LIMITS)
        stage.until(ev.Ready)
        shown.append(stage.provider.ticket_holder)
        ask(user)
        stage.until(ev.Finished)
        assert len(set(stage.kept.tickets)) == len(stage.kept.tickets) <= MAX_TICKETS
        stage.events.clear()
    assert shown == [False, True, True, True]


def test_two_callers_that_meet_keep_the_higher_amount(stage):
    """`ask` is about to keep its first amount while the connection keeps a higher one."""
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    slow = user.ask("chat", b"", PROMPT, "toy", 100)
    slow.send(None)  # it waits in the store
    drive(user._save(10**9))
    drive(slow)
    drive(user._save(5))
    assert stage.kept.signed == 10**9


def test_a_save_while_another_question_is_about_to_leave_does_not_forget_it(stage):
    """A reload may come between: what that question's input costs is then accounted for."""
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    slow = user.ask("chat", b"", PROMPT, "toy", 100)
    slow.send(None)  # it waits in the store
    drive(user._save(5))
    most = (len(PROMPT) + OFFER.template_units) * IN
    assert (stage.kept.in_flight, stage.kept.waiting) == (True, most)
    drive(slow)
    stage.until(ev.Finished)
    assert (stage.kept.in_flight, stage.kept.waiting) == (False, 0)


def test_several_streams_at_once(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    streams = [ask(user) for _ in range(3)]
    for _ in streams:
        stage.until(ev.Finished)
    assert sorted(event.stream for event in stage.seen(ev.Finished)) == streams
    assert stage.kept.owed == 3 * COST


def test_stop_keeps_and_pays_what_arrived(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    stage.answers[ev.RequestReady] = lambda event: [stage.provider.data(event.stream, b"w" * 400, 1) for _ in range(99)]
    stream = ask(user)
    stage.until(ev.Output)
    drive(user.stop(stream))
    finished = stage.until(ev.Finished)
    assert finished.finish == "cancelled" and 0 < finished.units < 99
    assert any(isinstance(event, ev.Stopped) for event in stage.provider_events)
    assert stage.kept.owed == finished.amount == stage.pair.account.owed
    drive(user.stop(stream))
    drive(user.stop(77))


def test_disconnect_leaves_the_deposit(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    drive(user.disconnect())
    stage.end()
    assert last_error(stage) is None
    assert stage.provider.closed and stage.wire.closed == 1


def test_disconnect_before_it_is_connected(stage):
    user = stage.user()
    drive(user.disconnect())
    stage.end()
    assert stage.provider.state is ConnectionState.NEW and stage.wire.closed == 1
    assert len(stage.seen(ev.Closed)) == 1


def test_nobody_answers_the_dial(stage):
    stage.reachable = False
    stage.user(profile=msgspec.structs.replace(stage.pair.profile(), endpoints=("ws://one", "ws://two")))
    stage.end()
    assert stage.dialled == ["ws://one", "ws://two"]
    assert last_error(stage) is Code.PROVIDER_GONE


def test_a_provider_that_says_nothing(stage):
    stage.wire.deaf = True
    stage.user()
    stage.end()
    assert last_error(stage) is Code.TIMED_OUT
    assert CONNECT_TIMEOUT <= stage.now - 100 <= CONNECT_TIMEOUT + 1


def test_a_provider_that_never_decides_about_the_channel(stage):
    stage.answers[ev.AuthOffered] = lambda event: None
    stage.user()
    stage.end()
    assert last_error(stage) is Code.TIMED_OUT


def test_a_provider_that_refuses_the_channel(stage):
    stage.answers[ev.AuthOffered] = lambda event: stage.provider.refuse(PeerError(Code.UNKNOWN_CHANNEL))
    stage.user()
    stage.end()
    assert last_error(stage) is Code.UNKNOWN_CHANNEL


def test_silence_in_the_middle_of_an_answer(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    stage.until(ev.Output)
    stage.wire.deaf, stage.reachable = True, False
    silent_since = stage.now
    assert stage.until(ev.Dropped).error.code is Code.TIMED_OUT
    assert stage.now - silent_since <= SILENCE_TIMEOUT + 1
    stage.end()
    assert last_error(stage) is Code.TIMED_OUT and stage.kept.in_flight


def test_filler_without_end_after_an_answer_was_stopped(stage):
    """The provider's beats go on, but the end of what was stopped never comes: the deposit must not hang on it."""
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    stage.answers[ev.RequestReady] = lambda event: stage.provider.data(event.stream, b"word ", 1)
    stream = ask(user)
    stage.until(ev.Output)
    stage.provider._handle = lambda stream, body: None
    drive(user.stop(stream))
    stopped_at = stage.now
    stage.end()
    assert last_error(stage) is Code.TIMED_OUT
    assert STOP_TIMEOUT < stage.now - stopped_at <= STOP_TIMEOUT + 1


def test_a_long_queue_is_waited_for_but_not_for_ever(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    stage.answers[ev.RequestReady] = lambda event: None
    ask(user)
    stage.until(ev.Accepted)
    accepted_at = stage.now
    stage.end(turns=5000)
    assert last_error(stage) is Code.TIMED_OUT
    assert STALL_TIMEOUT - 1 < stage.now - accepted_at <= STALL_TIMEOUT + 1


def test_no_silence_while_nothing_is_asked(stage):
    stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    stage.wire.deaf = True
    for _ in range(1000):
        assert stage.turn()


@pytest.mark.parametrize("asking", [False, True])
def test_the_socket_breaks(stage, asking):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    if asking:
        ask(user)
        stage.until(ev.Output)
    stage.wire.broken, stage.reachable = True, False
    stage.end()
    assert last_error(stage) is (Code.TRUNCATED if asking else Code.PROVIDER_GONE)
    assert len(stage.seen(ev.Dropped)) == asking
    with refused(Code.PROVIDER_GONE, LocalError):
        ask(user)


@pytest.mark.parametrize("last_words", [False, True])
def test_the_socket_breaks_while_something_is_sent(stage, last_words):
    """The end is told also where sending meets it first, and with the provider's own reason where it gave one."""
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    stage.until(ev.Output)
    if last_words:
        stage.provider.refuse(PeerError(Code.DRAINING))
        stage.serve()
    stage.wire.mute, stage.reachable = True, False
    drive(user.stop(1))
    stage.end()
    assert last_error(stage) is (Code.DRAINING if last_words else Code.TRUNCATED) and not user.ready
    assert stage.wire.closed >= 1


def test_after_a_cut_the_same_deposit_goes_on(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    stage.until(ev.Output)
    stage.provider.lost()
    stage.wire.broken, stage.reachable = True, False
    stage.end()
    owed = stage.pair.account.owed
    stage.reachable = True
    stage.again()
    stage.events.clear()
    user = stage.user(limits=LIMITS)
    assert stage.until(ev.Ready).owed == owed
    ask(user)
    finished = stage.until(ev.Finished)
    for _ in range(40):
        stage.turn()
    assert stage.pair.account.owed == stage.pair.account.durable == owed + finished.amount == stage.kept.signed


def test_a_store_that_lost_the_last_amount_learns_it_from_our_own_signature(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    stage.until(ev.Finished)
    for _ in range(20):
        stage.turn()
    drive(user.disconnect())
    stage.end()
    stage.kept = Resume(0, 0, True)
    stage.again()
    stage.events.clear()
    stage.user(limits=LIMITS)
    ready = stage.until(ev.Ready)
    assert (ready.signed, ready.owed) == (COST, COST)


def test_a_question_before_the_connection_stands_changes_nothing(stage):
    stage.kept = Resume(50, 40, False)
    user = stage.user()
    with refused(Code.PROVIDER_GONE, LocalError):
        ask(user)
    assert stage.kept == Resume(50, 40, False) and not stage.saved
    stage._running.close()


@pytest.mark.parametrize(
    ("prompt", "model", "code"),
    [(bytes(MAX_INPUT + 1), "toy", Code.PROMPT_TOO_LONG), (b"x", "none", Code.UNKNOWN_MODEL)],
)
def test_a_question_that_cannot_be_asked(stage, prompt, model, code):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    with refused(code):
        drive(user.ask("chat", b"", prompt, model, 10))
    assert not stage.saved and user.ready


def test_a_question_of_another_class_waits_until_the_connection_rests(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    picture = user.ask("images", b"", b"a picture", "toy", 1)
    stage.answers[ev.RequestReady] = lambda event: stage.provider.finish(event.stream, "stop")
    with pytest.raises(StopIteration):
        for _ in range(1000):
            picture.send(None)
            stage.turn()
    assert len(stage.seen(ev.Finished)) == 1 and set(stage.slept) == {REST}
    assert stage.until(ev.Finished).stream == 2
    assert stage.provider.shape is BULK


def test_who_waits_for_a_rest_learns_that_the_connection_is_gone(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    picture = user.ask("images", b"", b"a picture", "toy", 1)
    picture.send(None)
    user.session.bye()
    with refused(Code.PROVIDER_GONE, LocalError):
        drive(picture)


def test_close_waits_for_running_answers_to_stop(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    stage.answers[ev.RequestReady] = lambda event: [stage.provider.data(event.stream, b"w" * 400, 1) for _ in range(99)]
    ask(user)
    stage.until(ev.Output)
    drive(user.close_deposit())
    stage.until(ev.CloseAccepted)
    stage.end()
    (finished,) = stage.seen(ev.Finished)
    asked = next(event for event in stage.provider_events if isinstance(event, ev.CloseAsked))
    assert asked.voucher.amount == finished.amount == stage.kept.signed


def test_a_close_that_is_never_answered_ends(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    stage.answers[ev.CloseAsked] = lambda event: None
    drive(user.close_deposit())
    asked_at = stage.now
    stage.end()
    assert last_error(stage) is Code.CLOSE_FAILED
    assert stage.now - asked_at <= CLOSE_TIMEOUT + 1


def test_a_close_that_the_provider_cannot_do(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    stage.answers[ev.CloseAsked] = lambda event: stage.provider.refuse(PeerError(Code.CLOSE_FAILED))
    drive(user.close_deposit())
    stage.end()
    assert last_error(stage) is Code.CLOSE_FAILED


def test_close_after_the_end(stage):
    stage.reachable = False
    user = stage.user()
    stage.end()
    with refused(Code.PROVIDER_GONE, LocalError):
        drive(user.close_deposit())


def test_a_profile_that_asks_for_more_than_suite_1_is_never_dialled_with_less(stage):
    stage.user(profile=msgspec.structs.replace(stage.pair.profile(), minimum_suite=3))
    stage.end()
    assert last_error(stage) is Code.BAD_SUITE and not stage.dialled


@pytest.mark.parametrize(("epoch", "good"), [(7, True), (6, True), (5, False)])
def test_a_profile_older_than_the_one_the_deposit_was_made_for(stage, epoch, good):
    """A lying RPC may show what the provider has long replaced; its owner's signature is on that as well."""
    deposit = msgspec.structs.replace(stage.pair.deposit(), agreed=Agreed(OFFER.price_in, OFFER.price_out, 6))
    stage.user(deposit=deposit, profile=msgspec.structs.replace(stage.pair.profile(), epoch=epoch))
    if good:
        stage.until(ev.Ready)
        stage._running.close()
        return
    stage.end()
    assert last_error(stage) is Code.BAD_PROFILE and not stage.dialled


@pytest.mark.parametrize(("dearer", "good"), [(0, True), (1, False)])
@pytest.mark.parametrize("which", ["price_in", "price_out"])
def test_prices_are_those_of_the_day_of_the_deposit(stage, which, dearer, good):
    """A provider that raised them since is not asked, and nothing is signed for it."""
    deposit = msgspec.structs.replace(stage.pair.deposit(), agreed=Agreed(OFFER.price_in, OFFER.price_out, 1))
    now = amount_bytes(amount_int(getattr(OFFER, which)) + dearer)
    offer = msgspec.structs.replace(OFFER, **{which: now})
    user = stage.user(deposit=deposit, profile=msgspec.structs.replace(stage.pair.profile(), offers=(offer,)))
    stage.until(ev.Ready)
    if good:
        ask(user)
        assert stage.until(ev.Finished).amount == COST
        return
    with refused(Code.PRICE_CHANGED, PeerError):
        ask(user)
    assert not stage.saved and user.session.signed == 0
    stage._running.close()


@pytest.mark.parametrize("key", [bytes(32), b"\x01" + bytes(31)])
def test_a_node_key_that_is_no_key(stage, key):
    stage.user(profile=msgspec.structs.replace(stage.pair.profile(), node_key=key))
    stage.end()
    assert last_error(stage) is Code.BAD_PROFILE and stage.wire.closed == 1


def test_a_key_other_than_the_one_on_chain(stage, crypto):
    stage.user(profile=msgspec.structs.replace(stage.pair.profile(), node_key=crypto.x25519_public(b"\x06" * 32)))
    stage.end()
    assert last_error(stage) is Code.HANDSHAKE_FAILED
    assert not stage.saved and stage.pair.account.owed == 0


def test_one_flipped_byte_is_one_clear_error_and_no_money(stage):
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    stage.until(ev.Output)
    stage.wire.inbox.insert(0, b"\x02" + bytes(528))
    owed = user.session.account.owed
    stage.end()
    assert last_error(stage) is Code.TAMPERED
    assert user.session.account.owed == owed


def test_rich_text_is_said_in_the_greeting(stage):
    assert stage.user(rich=True).session.hello.flags == ALONE | RICH
    stage.until(ev.Ready)
    assert stage.provider.shape.down.size == 4096


def test_low_latency_is_said_in_the_greeting(stage):
    assert stage.user(low_latency=True).session.hello.flags == ALONE | LOW_LATENCY
    stage.until(ev.Ready)
    assert stage.provider._cadence.beat.interval == 0.04


def test_limits_follow_the_dearer_price():
    price = OFFER.price
    assert limits_at(price) == ClientLimits(20_000 * OUT, 20_000 * OUT, price)
