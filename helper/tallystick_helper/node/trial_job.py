"""One answer that is given away: after everybody who pays, within the trial's rules, and over with its connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from tallystick_shared import chat, limits
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.session.events import RequestOffered

from ..engines.door import held
from ..engines.seat import Capabilities, Engine, Finish, Piece, Reason, Task
from .trial import Trial
from .work import Work

if TYPE_CHECKING:
    from .connection import Connection

INPUT_TIME = 10.0
log = structlog.get_logger(__name__)


class TrialJob(Work):
    """The work behind a guest's stream."""

    def __init__(self, connection: Connection, offered: RequestOffered, address: str) -> None:
        super().__init__(connection, offered.stream)
        self._node, self._offered, self._address = connection.node, offered, address
        self._guest = connection
        self._held = connection.session.streams[offered.stream]
        self.task = asyncio.get_running_loop().create_task(self._drive())

    async def _drive(self) -> None:
        try:
            async with asyncio.timeout(limits.TRIAL_TIME.value):
                await self._work()
        except TimeoutError:
            self._fail(PeerError(Code.TIMED_OUT))
        except TallystickError as error:
            self._fail(error)
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        except Exception as error:
            log.exception("trial_failed", kind=type(error).__name__)
            self._fail(LocalError(Code.ENGINE_FAILED))

    def _fail(self, error: TallystickError) -> None:
        retry_after_ms = int(error.values.get("retry_after_ms", 0))
        self._guest.session.fail(self.stream, error, retry_after_ms=retry_after_ms)
        self._guest.pump()

    async def _work(self) -> None:
        trial = self._check()
        trial.look(self._address)
        async with asyncio.timeout(INPUT_TIME):  # whoever only holds a place has none
            data = await self._input
        with trial.turn(self._address), held(self._node.engine) as engine:
            await self._answer(engine, data, trial)

    def _check(self) -> Trial:
        """It is given away here and now. Raises PeerError."""
        node, wanted = self._node, self._offered.open
        if node.trial is None:
            raise PeerError(Code.UNKNOWN_SERVICE)
        if node.draining:
            raise PeerError(Code.DRAINING)
        if node.renting is not None and node.renting.resting:
            raise PeerError(Code.RESTING)
        offer, able = node.profile.offer(wanted.model), self._able(node.engine)
        if chat.SERVICE not in able.services or offer.manifest != able.manifest:
            raise PeerError(Code.UNKNOWN_MODEL)
        if wanted.max_units < 1:
            raise PeerError(Code.BAD_REQUEST)
        return node.trial

    def _able(self, engine: Engine) -> Capabilities:
        for able in engine.models():
            if able.model == self._offered.open.model:
                return able
        raise PeerError(Code.UNKNOWN_MODEL)

    async def _answer(self, engine: Engine, data: bytes, trial: Trial) -> None:
        """Counted, set aside, run, and what was not used given back."""
        wanted, able = self._offered.open, self._able(engine)
        task = Task(chat.SERVICE, data, wanted.params, wanted.max_units, model=wanted.model, free=True)
        units = min(await engine.count(task), len(data) + able.template_units)
        most, day = await trial.take(self._address, units, wanted.max_units)
        try:
            self._guest.session.measure(self.stream, units, able.manifest, place=engine.load(wanted.model).place)
            self._guest.pump()
            await self._granted
            await self._serve(engine, Task(chat.SERVICE, data, wanted.params, most, model=wanted.model, free=True))
        finally:
            made = self._run.made if self._run is not None else -units  # nothing was done at all
            await trial.give_back(self._address, most - made, day)

    async def _serve(self, engine: Engine, task: Task) -> None:
        async with engine.run(task) as run:
            self._run = run
            if self._stopped:
                return
            async for event in run:
                if isinstance(event, Piece):
                    self._guest.session.data(self.stream, event.data, event.units, event.kind)
                elif isinstance(event, Finish):
                    self._finish(event)

    def _finish(self, event: Finish) -> None:
        if event.error is not None or event.reason is Reason.ERROR:
            raise event.error or LocalError(Code.ENGINE_FAILED)
        self._guest.session.finish(self.stream, event.reason.value)
