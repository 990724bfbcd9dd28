"""The conversation: one connection to the deposit's provider, one question at a time, every event told to the
state.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tallystick_shared.chat import SERVICE, ChatParams, Kind, chat_input, encode_short
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.session.events import (
    Accepted,
    CloseAccepted,
    Closed,
    Dropped,
    Event,
    Finished,
    Output,
    Ready,
    Refused,
    VoucherDurable,
)
from tallystick_shared.trial import SERVICE as TRIAL
from tallystick_shared.trial import Visitor
from tallystick_shared.user import Line, User

from ..actions import Counted, Linked, NoticeCleared
from ..app import App
from ..chats.actions import AnswerGrew, AnswerStarted, Asked, Retried, TurnMoved
from ..chats.desk import moved
from ..chats.model import Chat, Setup, Turn, TurnState, Usage
from ..chats.prompt import conversation, most_units
from ..figures import clock_time
from ..state import Choice, Link, State
from ..views.parts import provider_name, short_model
from .deposit import DepositFlow
from .guest import deployment
from .history import HistoryFlow
from .market import MarketFlow
from .meter import Meter
from .records import Records

RETRIES = 4
GOODBYE = 5.0


class ChatFlow:
    """Questions in order, over a connection that is made when the first one goes out."""

    def __init__(
        self, app: App, market: MarketFlow, deposit: DepositFlow, records: Records, history: HistoryFlow
    ) -> None:
        self._app, self._market, self._deposit, self._records = app, market, deposit, records
        self._history = history
        self._user: Line | None = None
        self._running: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._error: TallystickError | None = None
        self._stream = 0
        self._chat = ""
        self._answer = 0
        self._before: Turn | None = None
        self._going_on = ""
        self._no_going_on: set[str] = set()
        self._meter = Meter()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._thinking = codecs.getincrementaldecoder("utf-8")("replace")
        self._busy = asyncio.Lock()
        self._locked = ""
        self.closing: asyncio.Future[bytes] | None = None
        self.on_close_accepted: Callable[[bytes], object] | None = None
        """Told the hash of the provider's closing transaction, also where nobody waits for it any longer."""
        self.on_refused: Callable[[TallystickError, int], object] | None = None
        """Told why a free question was refused, and in how many milliseconds to come back."""
        app.on("ask", self.ask)
        app.on("stop", self.stop)
        app.on("retry", self._retry)
        app.watch(self._changed)

    # -- what people do

    def ask(self, text: str) -> None:
        """Queues a question; it goes out as soon as it can."""
        self._app.dispatch(NoticeCleared())
        self._app.dispatch(Asked(text, self._app.state.desk.files, now=self._app.seats.world.wall()))
        self._app.dispatch(moved(draft="", files=()))
        self._app.seats.screen.to_end()

    async def stop(self, _: str = "") -> None:
        """Stops the answer; what came is kept and paid."""
        if self._user and self._stream:
            await self._user.stop(self._stream)

    def _retry(self, _: str) -> None:
        self._app.dispatch(NoticeCleared())
        self._app.dispatch(Retried())
        self._pump()

    # -- one question at a time

    def _changed(self, before: State, after: State) -> None:
        opened = after.asks and not before.asks
        asked = len(after.queue) > len(before.queue)
        chosen = after.chosen is not None and before.chosen is None
        back = before.offline and not after.offline
        if opened or asked or chosen or back:
            self._pump()

    def _pump(self) -> None:
        state = self._app.state
        if state.offline:
            return
        if state.queue and state.asks and state.chosen and not self._busy.locked():
            self._app.spawn(self._work())

    async def _work(self) -> None:
        if self._busy.locked():
            return
        async with self._busy:
            while (state := self._app.state).queue and state.asks:
                chat, turn_id = state.queue[0]
                await self._connect()
                await self._send(chat.id, turn_id)
                await self._finished()

    async def _send(self, chat_id: str, turn_id: int) -> None:
        state, user = self._app.state, self._user
        chat = state.chats.get(chat_id)
        waits = chat.turn(turn_id) if chat else None
        assert user is not None and state.chosen is not None
        if chat is None or waits is None or waits.state is not TurnState.WAITING:
            self._settled.set()  # taken back meanwhile
            return
        choice = chosen_for(state, waits)
        question = waits if waits.role == "user" else chat.turn(waits.parent)
        assert question is not None
        goes_on = waits.role == "assistant" and bool(waits.text)
        if goes_on and choice.id in self._no_going_on:
            self._ask_to_go_on(chat_id, waits)
            return
        said = conversation(chat, question)
        data = chat_input([*said, ("assistant", waits.text)] if goes_on else said)
        self._settled = asyncio.Event()
        self._error = None
        self._decoder.reset()
        self._thinking.reset()
        self._meter = Meter(asked=self._app.seats.world.monotonic())
        self._before, self._going_on = (waits, choice.id) if goes_on else (None, "")
        self._app.dispatch(AnswerStarted(turn_id, who(choice), choice.id, chat_id))
        self._chat = chat_id
        self._answer = turn_id if waits.role == "assistant" else _newest_child(self._app.state, chat_id, turn_id)
        try:
            free = isinstance(user, Visitor)
            most = min(most_units(chat, choice.context), state.trial.most if free else 1 << 31)
            wanted = params(chat.setup, continues=goes_on)
            self._stream = await user.ask(TRIAL if free else SERVICE, wanted, data, choice.model, most)
        except TallystickError as error:
            self._end_answer(TurnState.FAILED)
            raise error

    async def _finished(self) -> None:
        await self._settled.wait()
        self._stream = 0
        await self._keep()
        if self._error is not None:
            raise self._error

    def _ask_to_go_on(self, chat_id: str, answer: Turn) -> None:
        """Where a model cannot go on from where it stopped: a question that everybody can see."""
        ended = TurnState.DONE if answer.usage and answer.usage.finish == "length" else TurnState.STOPPED
        self._app.dispatch(TurnMoved(answer.id, ended, chat=chat_id))
        if self._app.state.chats.front == chat_id:
            words, now = self._app.words("chat.go_on"), self._app.seats.world.wall()
            self._app.dispatch(Asked(words, parent=answer.id, now=now))
        self._error = None
        self._settled.set()

    async def _keep(self) -> None:
        """Stores the conversation and the meter as they are now."""
        await self._records.keep_notches(self._app.state.deposit.notches)
        await self._history.keep(self._chat)

    # -- the connection

    async def _connect(self) -> None:
        """A connection that is ready to be asked. Raises what the provider, or the way to it, answered."""
        free = self._app.state.free
        if self._user is not None and self._user.ready:
            if self._user.session.asks and isinstance(self._user, Visitor) is free:
                return
            await self.hang_up()
        if not free:
            await self._take_lock()
        for attempt in range(RETRIES):
            try:
                await self._dial()
                return
            except TallystickError as error:
                self._app.dispatch(Linked(Link.LOST))
                # A node may see the deposit's block a moment later than the wallet did.
                if error.code is not Code.UNKNOWN_CHANNEL or attempt == RETRIES - 1:
                    raise
                await self._app.seats.world.sleep(1)

    async def _dial(self) -> None:
        user = await (self._visitor() if self._app.state.free else self._payer())
        self._app.dispatch(Linked(Link.CONNECTING))
        self._settled = asyncio.Event()
        self._error = None
        self._user = user
        self._running = self._app.spawn(self._run(user))
        await self._settled.wait()
        if self._error is not None:
            raise self._error
        if not user.ready:
            raise LocalError(Code.PROVIDER_GONE)

    async def _payer(self) -> User:
        record, seats = self._deposit.record, self._app.seats
        if record is None:
            raise LocalError(Code.CHANNEL_ENDED)
        listing = await self._market.listing(record.provider)
        return User(seats.crypto, seats.world, self._records, record, listing.usable(), self._heard)

    async def _visitor(self) -> Visitor:
        seats, provider = self._app.seats, self._app.state.trial.provider
        listing = await self._market.listing(provider)
        return Visitor(seats.crypto, seats.world, deployment(self._app), listing, self._heard)

    async def _run(self, user: Line) -> None:
        """The connection, to its end. A fault of our own ends it too: an answer must not stand still for ever."""
        try:
            await user.run()
        except Exception:
            user.session.lost(LocalError(Code.PAGE_FAILED))
            self._heard(Closed(LocalError(Code.PAGE_FAILED)))
            raise

    async def _take_lock(self) -> None:
        name = "channel-" + self._app.state.deposit.channel_id.hex()
        if self._locked == name:
            return
        if not await self._app.seats.locks.take(name):
            raise LocalError(Code.IN_USE_ELSEWHERE)
        if self._locked:
            self._app.seats.locks.release(self._locked)
        self._locked = name

    async def close_deposit(self) -> bytes:
        """Asks the provider to close; returns its transaction's hash. Raises TallystickError where it does not."""
        await self._connect()
        assert self._user is not None
        self.closing = asyncio.get_running_loop().create_future()
        try:
            await self._user.close_deposit()
            return await self.closing
        finally:
            self.closing = None

    async def hang_up(self) -> None:
        """Leaves the connection; the deposit stays. What the old one still says is not taken for the next one's. A
        provider that is gone is not waited for.
        """
        if self._user is not None:
            await self._user.disconnect()
            if self._running is not None and self._user.calling:
                self._running.cancel()
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=GOODBYE)
        self._user = self._running = None

    # -- what the session says

    def _heard(self, event: Event) -> None:
        handler = HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _on_ready(self, event: Ready) -> None:
        self._app.dispatch(Linked(Link.READY))
        if not isinstance(self._user, Visitor):
            self._app.dispatch(Counted(owed=event.owed, durable=min(event.signed, self._app.state.deposit.amount)))
        if not self._answer:  # else it came back in the middle of one, which goes on
            self._settled.set()

    def _on_dropped(self, event: Dropped) -> None:
        self._app.dispatch(Linked(Link.CONNECTING))

    def _on_accepted(self, event: Accepted) -> None:
        self._meter.input_units = event.input_units
        self._count()

    def _on_output(self, event: Output) -> None:
        self._meter.grew(event.units, self._app.seats.world.monotonic())
        if event.kind == Kind.REASONING:
            thought = self._thinking.decode(event.data)
            self._app.dispatch(AnswerGrew(self._answer, "", self._usage(), self._chat, thought))
        else:
            text = self._decoder.decode(event.data)
            self._app.dispatch(AnswerGrew(self._answer, text, self._usage(), self._chat))
        self._count()

    def _on_voucher(self, event: VoucherDurable) -> None:
        deposit = self._app.state.deposit
        if event.amount > deposit.durable:
            self._app.dispatch(Counted(durable=event.amount, notches=deposit.notches + 1))
        self._app.spawn(self._keep())

    def _on_finished(self, event: Finished) -> None:
        self._meter.input_units, self._meter.output_units = event.input_units, event.units
        usage = self._whole(self._meter.usage(event.amount, event.finish))
        stopped = event.finish == "cancelled"
        self._end_answer(TurnState.STOPPED if stopped else TurnState.DONE, usage)
        self._count()

    def _on_refused(self, event: Refused) -> None:
        before = self._before
        if before is not None and event.error.code is Code.UNSUPPORTED:
            self._no_going_on.add(self._going_on)
            self._answer = 0
            self._ask_to_go_on(self._chat, before)
            return
        self._error = event.error
        if isinstance(self._user, Visitor) and self.on_refused is not None:
            self.on_refused(event.error, event.retry_after_ms)
        if event.error.code is Code.TRIAL_OVER:
            state = self._app.state
            now = self._app.seats.world.wall()
            again = clock_time(state.trial.renews, now, self._app.words, state.offset_minutes)
            self._error = PeerError(Code.TRIAL_OVER, time=again)
        self._end_answer(TurnState.FAILED, self._usage() if self._meter.output_units else None)
        self._count()

    def _on_closed(self, event: Closed) -> None:
        self._app.dispatch(Linked(Link.LOST if event.error else Link.IDLE))
        self._error = event.error
        if self._answer:
            self._end_answer(TurnState.FAILED, self._usage() if self._meter.output_units else None)
        if self.closing is not None and not self.closing.done():
            self.closing.set_exception(event.error or LocalError(Code.CLOSE_FAILED))
        self._settled.set()

    def _on_close_accepted(self, event: CloseAccepted) -> None:
        if self.on_close_accepted is not None:
            self.on_close_accepted(event.transaction)
        if self.closing is not None and not self.closing.done():
            self.closing.set_result(event.transaction)

    def _count(self) -> None:
        if self._user is not None and not isinstance(self._user, Visitor):
            self._app.dispatch(Counted(owed=self._user.session.account.owed))

    def _usage(self) -> Usage:
        account = self._user.session.account if self._user else None
        running = next(iter(account.running.values()), None) if account else None
        return self._whole(self._meter.usage(running.amount if running else 0, ""))

    def _whole(self, usage: Usage) -> Usage:
        """With what an answer that goes on took before."""
        usage = replace(usage, free=isinstance(self._user, Visitor))
        before = self._before.usage if self._before else None
        return before.plus(usage) if before else usage

    def _end_answer(self, state: TurnState, usage: Usage | None = None) -> None:
        if self._answer:
            self._app.dispatch(TurnMoved(self._answer, state, usage, self._chat))
        self._answer = 0
        self._settled.set()


HANDLERS: dict[type[Event], Callable[[ChatFlow, Any], None]] = {
    Ready: ChatFlow._on_ready,
    Dropped: ChatFlow._on_dropped,
    Accepted: ChatFlow._on_accepted,
    Output: ChatFlow._on_output,
    VoucherDurable: ChatFlow._on_voucher,
    Finished: ChatFlow._on_finished,
    Refused: ChatFlow._on_refused,
    Closed: ChatFlow._on_closed,
    CloseAccepted: ChatFlow._on_close_accepted,
}


def who(choice: Choice) -> str:
    """The name under an answer."""
    return f"{short_model(choice)}, {provider_name(choice)}"


def chosen_for(state: State, turn: Turn) -> Choice:
    """Who answers: the model that was asked for, where the deposit's provider has it, else the one in use."""
    assert state.chosen is not None
    wanted = next((choice for choice in state.market.choices if choice.id == turn.model and not choice.fault), None)
    return wanted if wanted and wanted.provider == state.chosen.provider else state.chosen


def params(setup: Setup, *, continues: bool = False) -> bytes:
    """How the chat wants to be answered, encoded; nothing where all is left to the model."""
    wanted = ChatParams(setup.temperature, setup.top_p, setup.seed, continues=continues)
    return b"" if wanted == ChatParams() else encode_short(wanted)


def _newest_child(state: State, chat_id: str, turn_id: int) -> int:
    chat = state.chats.get(chat_id) or Chat()
    return chat.children[turn_id][-1]
