"""A user whose connection breaks in mid-answer: it comes back, everything goes on, and nothing is paid twice."""

from __future__ import annotations

import pytest
from msgspec import structs

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.session import ClientLimits
from tallystick_shared.session import events as ev
from tallystick_shared.session.tables import ConnectionState
from tallystick_shared.session.tickets import TicketBook
from tallystick_shared.user import RENEW_AFTER, RETURN_DELAYS, RETURN_WITHIN, STOP_TIMEOUT
from tests.shared.pair import WINDOW, Pair
from tests.shared.stage import Stage
from tests.shared.test_user import PROMPT, ask
from tests.shared.tools import Turn, drive, refused

IN, OUT = 10**6, 4 * 10**6
INPUT = len(PROMPT) // 4 * IN
LIMITS = ClientLimits(WINDOW, WINDOW)


class Slow(Stage):
    """Its engine makes only what a test says."""

    def __init__(self, crypto) -> None:
        super().__init__(Pair(crypto))
        self.answers[ev.RequestReady] = lambda event: None
        self.made = 0

    def make(self, count, stream=1):
        for _ in range(count):
            self.provider.data(stream, b"w%d " % self.made, 1)
            self.made += 1

    def finish(self, stream=1):
        self.provider.finish(stream, "stop")
        return self.until(ev.Finished)

    def cut(self):
        """The socket is gone, whatever was on its way with it."""
        self.wire.broken = True
        self.wire.inbox.clear()
        self.until(ev.Dropped)

    def back(self, user):
        """The user is connected again."""
        for _ in range(2000):
            if user.ready:
                return
            assert self.turn()
        raise AssertionError(f"still away after {self.now} s")

    @property
    def text(self):
        return b"".join(event.data for event in self.seen(ev.Output))

    @property
    def whole(self):
        return b"".join(b"w%d " % number for number in range(self.made))


@pytest.fixture
def stage(crypto):
    return Slow(crypto)


@pytest.fixture
def user(stage):
    made = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    return made


def rest(stage):
    for _ in range(60):
        stage.turn()


def test_an_answer_goes_on(stage, user):
    stream = ask(user)
    stage.until(ev.Accepted)
    stage.make(10)
    stage.until(ev.Output)
    stage.make(10)
    stage.cut()
    stage.back(user)
    assert stage.slept == [] and len(stage.dialled) == 2  # the first attempt is at once
    stage.make(10)
    finished = stage.finish()
    assert (finished.stream, finished.units, finished.amount) == (stream, 30, INPUT + 30 * OUT)
    assert stage.text == stage.whole
    rest(stage)
    account = stage.pair.account
    assert account.owed == account.durable == user.session.account.owed == stage.kept.signed == finished.amount
    assert not stage.kept.in_flight and not stage.seen(ev.Closed)


def test_an_answer_that_is_cut_again_and_again(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    for _ in range(8):
        stage.make(6)
        stage.until(ev.Output)
        stage.cut()
        stage.back(user)
    finished = stage.finish()
    assert stage.text == stage.whole and finished.units == stage.made == 48
    rest(stage)
    assert stage.pair.account.owed == stage.pair.account.durable == finished.amount


def test_a_new_question_after_the_return(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    stage.reachable = False
    stage.cut()
    assert not user.ready
    with refused(Code.PROVIDER_GONE, LocalError):
        ask(user)
    stage.reachable = True
    stage.back(user)
    assert ask(user) == 2
    stage.until(ev.Accepted)
    stage.make(5, 2)
    assert stage.finish(2).units == 5
    assert stage.finish(1).units == 0


def test_a_provider_that_is_away_for_a_while(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    stage.make(3)
    stage.until(ev.Output)
    stage.reachable = False
    stage.cut()
    while len(stage.slept) < 8:
        stage.turn()
    first, last = RETURN_DELAYS
    assert stage.slept == [min(first * 2**number, last) for number in range(8)]
    stage.pair.shelf.tick(stage.now)
    stage.reachable = True
    finished = stage.until(ev.Finished)
    assert (finished.finish, finished.units) == ("interrupted", 3) and stage.text == stage.whole


def test_it_is_given_up_when_the_provider_keeps_it_no_longer(stage, user):
    """What arrived is kept, and paid the next time."""
    ask(user)
    stage.until(ev.Accepted)
    stage.make(3)
    stage.until(ev.Output)
    stage.reachable = False
    stage.cut()
    dropped_at = stage.now
    stage.end()
    (closed,) = stage.seen(ev.Closed)
    assert closed.error.code is Code.TRUNCATED and stage.events[-1] is closed
    assert RETURN_WITHIN - RETURN_DELAYS[1] <= stage.now - dropped_at <= RETURN_WITHIN
    assert stage.kept.in_flight and user.session.account.owed == INPUT + 3 * OUT
    stage.pair.shelf.tick(stage.now + RETURN_WITHIN)
    stage.reachable = True
    stage.user(limits=LIMITS)
    assert stage.until(ev.Ready).owed == INPUT + 3 * OUT


def test_who_leaves_while_the_provider_is_gone_hears_the_end_at_once(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    stage.reachable = False
    stage.cut()
    while len(stage.slept) < 3:
        stage.turn()
    left_at, dialled = stage.now, len(stage.dialled)
    assert user.calling
    drive(user.disconnect())
    assert stage.events[-1].error.code is Code.TRUNCATED and stage.now == left_at
    stage.reachable = True
    stage.end()
    assert len(stage.dialled) == dialled and len(stage.seen(ev.Closed)) == 1 and not user.calling


def test_a_provider_that_answers_whom_has_left_meanwhile_is_hung_up_on(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    dial = stage.dial

    async def late(url):
        drive(user.disconnect())
        return await dial(url)

    stage.dial = late
    stage.cut()
    stage.end()
    assert len(stage.seen(ev.Closed)) == 1 and stage.wire.closed == 1
    assert stage.provider.state is ConnectionState.NEW


def test_connections_that_never_get_anywhere_are_given_up(stage, user):
    """It can be dialled, and each time it ends before anything is heard."""
    ask(user)
    stage.until(ev.Accepted)
    stage.answers[ev.AuthOffered] = lambda event: stage.provider.refuse(PeerError(Code.TOO_MANY_CONNECTIONS))
    stage.cut()
    dropped_at = stage.now
    stage.end()
    assert stage.events[-1].error.code is Code.TRUNCATED and len(stage.dialled) > 10
    assert stage.now - dropped_at <= RETURN_WITHIN


@pytest.mark.parametrize("code", [Code.REPLACED, Code.CHANNEL_ENDED, Code.DRAINING, Code.UNCLAIMABLE])
def test_who_is_not_wanted_does_not_come_back(stage, user, code):
    ask(user)
    stage.until(ev.Accepted)
    stage.provider.refuse(PeerError(code))
    stage.serve()
    stage.end()
    assert stage.events[-1].error.code is code and len(stage.dialled) == 1


def test_a_refusal_on_the_way_back(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    stage.answers[ev.AuthOffered] = lambda event: stage.provider.refuse(PeerError(Code.CHANNEL_EXPIRING))
    stage.cut()
    stage.end()
    assert stage.events[-1].error.code is Code.CHANNEL_EXPIRING


def test_nothing_is_dialled_for_nothing(stage, user):
    stage.wire.broken = True
    stage.end()
    assert stage.events[-1].error.code is Code.PROVIDER_GONE and len(stage.dialled) == 1


def test_an_end_that_never_comes_is_not_waited_for_on_another_connection(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    stage.provider._handle = lambda stream, body: None
    drive(user.stop(1))
    stopped_at = stage.now
    stage.end()
    assert stage.events[-1].error.code is Code.TIMED_OUT and len(stage.dialled) == 1
    assert stage.now - stopped_at <= STOP_TIMEOUT + 1


def test_what_was_stopped_while_away_stays_stopped(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    stage.make(40)
    stage.until(ev.Output)
    stage.cut()
    drive(user.stop(1))
    finished = stage.until(ev.Finished)
    assert finished.finish == "cancelled" and finished.units < 40
    assert stage.pair.account.owed == user.session.account.owed == finished.amount


def test_a_deposit_that_is_to_be_closed_is_closed_after_the_return(stage, user):
    ask(user)
    stage.until(ev.Accepted)
    stage.make(4)
    stage.until(ev.Output)
    drive(user.close_deposit())
    stage.cut()
    stage.until(ev.CloseAccepted)
    stage.end()
    asked = next(event for event in stage.provider_events if isinstance(event, ev.CloseAsked))
    assert asked.voucher.amount == stage.pair.account.owed == INPUT + 4 * OUT


def test_an_hour_passes_in_mid_answer(stage, user):
    """A new handshake, new keys; the old connection is closed, and no word is lost or comes twice."""
    first, wire = user.session, stage.wire
    ask(user)
    stage.until(ev.Accepted)
    assert user._renew_at <= stage.now + RENEW_AFTER
    user._renew_at = due = stage.now + 3
    while len(stage.dialled) == 1:
        stage.make(1)
        assert stage.turn()
    assert due <= stage.now <= due + 1
    while user.session is first:
        assert stage.turn()
    stage.back(user)
    assert wire.closed == 1 and user.session is not first
    assert user.session.handshake_hash != first.handshake_hash
    stage.make(3)
    finished = stage.finish()
    assert stage.text == stage.whole and finished.units == stage.made
    assert not stage.seen(ev.Closed) and not stage.seen(ev.Dropped)
    rest(stage)
    assert stage.pair.account.owed == stage.pair.account.durable == finished.amount


def test_an_hour_passes_and_nobody_answers_the_dial(stage, user):
    """The old connection goes on meanwhile."""
    ask(user)
    stage.until(ev.Accepted)
    user._renew_at, stage.reachable = stage.now, False
    stage.make(5)
    stage.until(ev.Output)
    assert len(stage.dialled) == 2 and user.ready
    stage.finish()


class Ringing(Slow):
    """A dial after the first is answered only when `answered` says so."""

    answered = False

    async def dial(self, url):
        wire = await super().dial(url)
        while len(self.dialled) > 1 and not self.answered:
            await Turn()
        return wire


@pytest.fixture
def ringing(crypto):
    """In mid-answer, with a dial under way that nobody answers: (stage, user, the connection that is used)."""
    stage = Ringing(crypto)
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    stage.until(ev.Accepted)
    used = stage.wire
    user._renew_at = stage.now
    while len(stage.dialled) == 1:
        assert stage.turn()
    stage.provider = used.provider
    return stage, user, used


def test_an_answer_is_read_and_paid_while_another_connection_is_dialled(ringing):
    stage, user, used = ringing
    stage.make(40)
    stage.until(ev.Output)
    finished = stage.finish()
    rest(stage)
    assert len(stage.dialled) == 2 and user.ready and not used.closed
    assert stage.pair.account.owed == stage.pair.account.durable == finished.amount


def test_a_connection_that_comes_when_nothing_is_under_way_is_closed(ringing):
    stage, user, used = ringing
    stage.finish()
    stage.answered, session = True, user.session
    while not stage.wire.closed:
        assert stage.turn()
    assert user.session is session and user.ready and not used.closed
    drive(user.disconnect())
    stage.end()


@pytest.mark.parametrize("answered", [True, False])
def test_no_connection_is_left_over_when_a_user_ends(ringing, answered):
    """Neither one that came in the last moment, nor one that comes after the end."""
    stage, user, used = ringing
    stage.answered = answered
    drive(user.disconnect())
    stage.end()
    stage.answered = True
    while stage._beside:
        stage.turn()
    assert used.closed and stage.wire.closed and stage.wire is not used


def test_after_an_hour_only_the_address_that_answered_is_dialled(stage):
    """A dead one would be waited for, and meanwhile the answer would not be paid."""
    dial, dead, alive = stage.dial, "ws://192.0.2.1:1", "ws://127.0.0.1:1"

    async def dialled(url):
        stage.reachable = url == alive
        return await dial(url)

    stage.dial = dialled
    user = stage.user(limits=LIMITS, profile=structs.replace(stage.pair.profile(), endpoints=(dead, alive)))
    stage.until(ev.Ready)
    ask(user)
    stage.until(ev.Accepted)
    user._renew_at, first = stage.now, user.session
    stage.make(1)
    while user.session is first:
        assert stage.turn()
    stage.back(user)
    assert stage.dialled == [dead, alive, alive]
    stage.finish()


def test_each_return_shows_a_ticket(crypto):
    stage = Slow(crypto)
    stage.tickets = TicketBook(crypto)
    stage.again()
    user = stage.user(limits=LIMITS)
    stage.until(ev.Ready)
    ask(user)
    stage.until(ev.Accepted)
    shown = []
    for _ in range(3):
        stage.cut()
        stage.back(user)
        shown.append(stage.provider.ticket_holder)
    assert shown == [True] * 3
