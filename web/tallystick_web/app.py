"""The page's one running thing: it holds the state, hands it to the screen, and starts what people ask for.

    intent (a click, a question)  →  flow (talks to seats)  →  action  →  reduce  →  state  →  screen

Flows never touch the state but through `dispatch`; the screen never starts anything but through `heard`.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError

from .actions import Noticed
from .faults import notice_of
from .loop import Loop
from .ports import Address, Locks, OneTab, Tabs, Vault, Wallets, World
from .reduce import Action, reduce
from .screen import Screen
from .state import State
from .words import Words, words_of


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


class App(Loop):
    """State, screen and tasks. Flows are made around it in `main`."""

    def __init__(self, seats: Seats) -> None:
        super().__init__()
        self.seats = seats
        self.state = State()
        self._watchers: list[Callable[[State, State], None]] = []

    @property
    def words(self) -> Words:
        """Those of the language that the page speaks now."""
        return words_of(self.state.language)

    def dispatch(self, action: Action) -> None:
        """Makes the next state, tells the watchers, and draws it soon."""
        before, self.state = self.state, reduce(self.state, action)
        if self.state is before:
            return
        for watcher in self._watchers:
            watcher(before, self.state)
        self.draw_soon()

    def show(self) -> None:
        self.seats.screen.show(self.state)

    def watch(self, watcher: Callable[[State, State], None]) -> None:
        """Calls `watcher(before, after)` on every change, before it is drawn."""
        self._watchers.append(watcher)

    def failed(self, error: Exception) -> None:
        if not isinstance(error, TallystickError | RpcError):
            # Imported above, not here: a page that was restored from its snapshot has no files to import from.
            print(traceback.format_exc(), file=sys.stderr)
            error = LocalError(Code.PAGE_FAILED, kind=type(error).__name__)
        self.fault(error)

    def fault(self, error: TallystickError | RpcError) -> None:
        """Says what went wrong and what to do."""
        self.dispatch(Noticed(notice_of(error, self.state)))
