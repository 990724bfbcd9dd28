"""The page's one running thing: it holds the state, hands it to the screen, and starts what people ask for.

    intent (a click, a question)  →  flow (talks to seats)  →  action  →  reduce  →  state  →  screen

Flows never touch the state but through `dispatch`; the screen never starts anything but through `heard`.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError

from .actions import Noticed
from .faults import notice_of
from .ports import Address, Locks, OneTab, Tabs, Vault, Wallets, World
from .reduce import Action, reduce
from .screen import Screen
from .state import State
from .words import Words, words_of

FRAME = 1 / 40


class NoAddress:
    """An address that nobody sees."""

    def __init__(self) -> None:
        self.fragment = ""

    def read(self) -> str:
        return self.fragment

    def write(self, fragment: str) -> None:
        self.fragment = fragment


@dataclass(frozen=True)
class Seats:
    """Everything outside the page."""

    wallets: Wallets
    vault: Vault
    locks: Locks
    screen: Screen
    world: World
    crypto: Crypto
    address: Address = field(default_factory=NoAddress)
    tabs: Tabs = field(default_factory=OneTab)


class App:
    """State, screen and tasks. Flows are made around it in `main`."""

    def __init__(self, seats: Seats) -> None:
        self.seats = seats
        self.state = State()
        self._tasks: set[asyncio.Task[None]] = set()
        self._intents: dict[str, Callable[[str], Coroutine[Any, Any, None] | None]] = {}
        self._drawing: asyncio.TimerHandle | None = None
        self._watchers: list[Callable[[State, State], None]] = []

    @property
    def words(self) -> Words:
        """Those of the language that the page speaks now."""
        return words_of(self.state.language)

    def dispatch(self, action: Action) -> None:
        """Makes the next state, tells the watchers, and draws it soon: many actions in a row are drawn once."""
        before, self.state = self.state, reduce(self.state, action)
        if self.state is before:
            return
        for watcher in self._watchers:
            watcher(before, self.state)
        if self._drawing is None:
            self._drawing = asyncio.get_running_loop().call_later(FRAME, self.draw)

    def draw(self) -> None:
        """Draws now."""
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None
        self.seats.screen.show(self.state)

    def watch(self, watcher: Callable[[State, State], None]) -> None:
        """Calls `watcher(before, after)` on every change, before it is drawn."""
        self._watchers.append(watcher)

    def on(self, name: str, do: Callable[[str], Coroutine[Any, Any, None] | None]) -> None:
        """What an intent does: a plain function, or a coroutine that then runs as a task."""
        self._intents[name] = do

    def heard(self, name: str, argument: str = "") -> None:
        """Somebody clicked or typed. An intent that is not known does nothing."""
        do = self._intents.get(name)
        work = do(argument) if do else None
        if work is not None:
            self.spawn(work)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work`; what goes wrong with it is said in one sentence."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (TallystickError, RpcError) as error:
            self.fault(error)
        except Exception as error:
            # Imported above, not here: a page that was restored from its snapshot has no files to import from.
            print(traceback.format_exc(), file=sys.stderr)
            self.fault(LocalError(Code.PAGE_FAILED, kind=type(error).__name__))

    def fault(self, error: TallystickError | RpcError) -> None:
        """Says what went wrong and what to do."""
        self.dispatch(Noticed(notice_of(error, self.state)))

    async def idle(self) -> None:
        """Waits until nothing runs any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks)
