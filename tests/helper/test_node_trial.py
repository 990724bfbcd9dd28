"""What a real node gives away: how much, to whom, after whom, and that it keeps nothing of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tallystick_helper.dial import NativeHost
from tallystick_helper.guest import NativeGuest
from tallystick_helper.node.trial import DAY, FILE, LEAST, Trial, TrialRules
from tallystick_shared.chat import chat_input
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.session.events import Closed, Event, Finished, Output, Ready, Refused
from tallystick_shared.trial import GAVE_WAY, SERVICE, Visitor
from tests.shared.tools import refused

from .world import Serving, World, serving, until

MODEL = "loopback"
RULES = TrialRules(per_day=1000, per_guest=300, most=100, at_once=2)
ONE, TWO, FAR = "192.0.2.1", "192.0.2.2", "198.51.100.1"


class Clock:
    def __init__(self, now: float = 20_000 * DAY + 3600.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trial(tmp_path: Path, clock: Clock) -> Trial:
    return Trial(RULES, tmp_path, clock)


# -- the budget


async def test_what_is_set_aside_and_given_back(trial: Trial, tmp_path: Path) -> None:
    assert trial.offer().left == 1000 and trial.left(ONE) == 300
    taken = await trial.take(ONE, 50, 500)
    assert taken == (100, 20_000), "no answer is longer than the rules say"
    assert (trial.used, trial.left(ONE)) == (150, 150)
    assert json.loads((tmp_path / FILE).read_text()) == {"day": 20_000, "units": 150}, "on disk before it starts"
    await trial.give_back(ONE, 60, taken.day)
    assert (trial.used, trial.left(ONE), trial.left(TWO)) == (90, 210, 300)
    assert (await trial.take(ONE, 150, 500)).most == 60, "what is left for this guest bounds the answer"


async def test_over_for_one_and_over_for_all(trial: Trial, clock: Clock) -> None:
    for _ in range(3):
        await trial.take(ONE, 0, 100)
    with refused(Code.TRIAL_OVER) as raised:
        trial.look(ONE)
    assert raised.value.values["retry_after_ms"] == (DAY - 3600) * 1000, "until the day ends"
    with refused(Code.TRIAL_OVER), trial.turn(ONE):
        pass
    for guest in (TWO, FAR, "203.0.113.9"):
        for _ in range(3 if guest != "203.0.113.9" else 1):
            await trial.take(guest, 0, 100)
    assert trial.offer().left == 0
    with refused(Code.TRIAL_OVER):
        trial.look("203.0.113.77")
    clock.now += DAY
    assert trial.offer().left == 1000 and trial.left(ONE) == 300
    clock.now -= DAY
    assert trial.used == 0 and trial.renews == 20_002 * DAY, "a clock that is set back begins no third day"


async def test_an_input_that_leaves_no_answer(trial: Trial) -> None:
    with refused(Code.TRIAL_OVER):
        await trial.take(ONE, 300 - LEAST + 1, 100)
    assert trial.used == 0
    assert (await trial.take(ONE, 300 - LEAST, 100)).most == LEAST
    assert (await trial.take(TWO, 290, 8)).most == 8, "a short answer that was asked for is one"


async def test_neighbours_share(tmp_path: Path, clock: Clock) -> None:
    trial = Trial(TrialRules(10_000, 100, 100, 2), tmp_path, clock)
    for last in range(4):
        await trial.take(f"192.0.2.{last}", 0, 100)
    assert trial.left("192.0.2.99") == 0 and trial.left(FAR) == 100
    for last in range(4):
        await trial.take(f"2001:db8:1:{last}::1", 0, 100)
    assert trial.left("2001:db8:1:77::1") == 0 and trial.left("2001:db8:2::1") == 100


async def test_turns_of_a_guest_and_of_all(trial: Trial) -> None:
    with trial.turn(ONE):
        with refused(Code.BUSY), trial.turn(ONE):
            pass
        with trial.turn(FAR), refused(Code.BUSY), trial.turn("203.0.113.9"):
            pass
    with trial.turn(ONE):
        pass
    assert not +trial._running


async def test_a_restart_goes_on_with_the_day(trial: Trial, tmp_path: Path, clock: Clock) -> None:
    await trial.take(ONE, 50, 100)
    again = Trial(RULES, tmp_path, clock)
    assert again.used == 150 and again.left(ONE) == 300, "who asked is not kept"
    clock.now += DAY
    assert Trial(RULES, tmp_path, clock).used == 0
    clock.now -= 10 * DAY
    assert Trial(RULES, tmp_path, clock).used == 0, "a file of a far day is none of this one"


async def test_what_comes_back_after_midnight_is_not_of_this_day(trial: Trial, clock: Clock) -> None:
    taking = asyncio.create_task(trial.take(ONE, 0, 100))
    await until(lambda: trial.used == 100)
    clock.now += DAY  # midnight, while the file is written
    await trial.take(ONE, 0, 100)
    await trial.give_back(ONE, 100, (await taking).day)
    assert trial.used == 100


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with refused(Code.STORE_UNREADABLE, LocalError):
        Trial(RULES, tmp_path)


# -- over real sockets


@pytest.fixture
async def giving(world: World) -> AsyncIterator[Serving]:
    changes: dict[str, Any] = {"trial": {"per_day": 5000, "per_guest": 600, "most": 100}}
    changes["engine"] = {"kind": "echo", "options": {"rate": 100.0, "slots": 1, "queue": 0}}
    async with serving(world, **changes) as up:
        yield up


class Guest:
    """A visitor of a provider, with everything that it heard."""

    def __init__(self, provider: Serving, visitor: Visitor, events: asyncio.Queue[Event]) -> None:
        self.visitor, self._events = visitor, events
        self.run = asyncio.create_task(visitor.run())
        self.heard: list[Event] = []

    @classmethod
    async def come(cls, provider: Serving) -> Guest:
        events: asyncio.Queue[Event] = asyncio.Queue()
        world = provider.world
        listing = await provider.listing()
        visitor = Visitor(world.crypto, NativeHost(), world.where, listing, events.put_nowait, low_latency=True)
        guest = cls(provider, visitor, events)
        await guest.until(Ready)
        return guest

    async def until(self, *kinds: type[Event]) -> Any:
        async with asyncio.timeout(15):
            while True:
                event = await self._events.get()
                self.heard.append(event)
                if isinstance(event, kinds):
                    return event
                assert not isinstance(event, Closed), event

    async def ask(self, text: str = "Say a lot of words", most: int = 500) -> None:
        await self.visitor.ask(SERVICE, b"", chat_input([("user", text)]), MODEL, most)

    @property
    def text(self) -> str:
        return b"".join(event.data for event in self.heard if isinstance(event, Output)).decode()


async def asked(provider: Serving, text: str = "Say a lot of words", most: int = 500) -> Guest:
    guest = await Guest.come(provider)
    await guest.ask(text, most)
    return guest


async def test_an_answer_without_a_channel(giving: Serving) -> None:
    guest = await asked(giving, "three words please")
    end = await guest.until(Finished)
    trial = giving.node.trial
    assert trial is not None and "three words please" in guest.text
    assert end.amount == 0 and end.units <= 100
    await until(lambda: trial.used == end.input_units + end.units)
    assert (await guest.until(Closed)).error is None
    assert await giving.node.ledger.live_channels() == [], "nothing of it is in the ledger"
    rows = await giving.node.ledger.run(lambda db: db.execute("SELECT count(*) FROM requests").fetchone())
    assert rows == (0,)
    files = [path.read_bytes() for path in giving.settings.data_dir.rglob("*") if path.is_file()]
    assert not any(b"three words" in held for held in files)


async def test_the_advert_says_what_is_given(giving: Serving) -> None:
    world = giving.world
    offered = (await NativeGuest(world.crypto, world.where).advert(await giving.listing())).trial
    assert offered is not None and (offered.guest, offered.left, offered.most) == (600, 5000, 100)


async def test_nothing_is_given_where_nothing_is_set(provider: Serving) -> None:
    world = provider.world
    assert (await NativeGuest(world.crypto, world.where).advert(await provider.listing())).trial is None
    guest = await asked(provider)
    assert (await guest.until(Refused)).error.code is Code.UNKNOWN_SERVICE


async def test_used_up(giving: Serving) -> None:
    trial = giving.node.trial
    assert trial is not None
    await trial.take("127.0.0.1", 580, 10)
    refusal = await (await asked(giving)).until(Refused)
    assert refusal.error.code is Code.TRIAL_OVER and 0 < refusal.retry_after_ms <= DAY * 1000
    assert (await (await asked(giving)).until(Refused)).error.code is Code.TRIAL_OVER


async def test_whoever_pays_comes_first(giving: Serving) -> None:
    """One slot, no queue: the guest's answer gives way, what came of it stays, and the payer never hears of it."""
    guest = await asked(giving, "word " * 60)
    await guest.until(Output)
    deposit = await giving.deposit()
    talk = await giving.conversation(deposit, low_latency=True)
    await talk.connect()
    paid = [piece async for piece in talk.ask([("user", "I pay")], MODEL, 50)]
    end = await guest.until(Finished)
    assert end.finish == GAVE_WAY and 0 < end.units < 100 and end.amount == 0
    assert "I pay" in paid[-1].text
    await talk.leave()


async def test_a_guest_waits_behind_payers(giving: Serving) -> None:
    deposit = await giving.deposit()
    talk = await giving.conversation(deposit, low_latency=True)
    await talk.connect()
    pieces = aiter(talk.ask([("user", "word " * 40)], MODEL, 60))
    await anext(pieces)
    guest = await asked(giving)
    async for _ in pieces:
        assert not any(isinstance(event, Output) for event in guest.heard)
    assert (await guest.until(Finished)).finish in ("stop", "length")
    await talk.leave()


async def test_one_at_a_time_and_a_cut_frees_the_slot(giving: Serving) -> None:
    first = await asked(giving, "word " * 60)
    await first.until(Output)
    assert (await (await asked(giving)).until(Refused)).error.code is Code.BUSY
    trial = giving.node.trial
    assert trial is not None
    first.run.cancel()
    await until(lambda: not +trial._running)
    await until(lambda: giving.node.engine.load().guests == 0)
    assert 0 < trial.used < 300, "what was not made was given back"


async def test_pausing_gives_nothing_away(giving: Serving) -> None:
    assert giving.node.renting is not None
    giving.node.renting.pause()
    assert (await (await asked(giving)).until(Refused)).error.code is Code.RESTING
    world = giving.world
    assert (await NativeGuest(world.crypto, world.where).advert(await giving.listing())).trial is None


async def test_an_unknown_model(giving: Serving) -> None:
    guest = await Guest.come(giving)
    with refused(Code.UNKNOWN_MODEL, PeerError):
        await guest.visitor.ask(SERVICE, b"", b"x", "no-such", 10)
    await guest.visitor.disconnect()
