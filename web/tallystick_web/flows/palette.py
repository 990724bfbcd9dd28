"""The palette on Ctrl+K: type, walk with the arrows, Enter does it."""

from __future__ import annotations

from ..actions import SheetClosed, SheetOpened
from ..app import App
from ..chats.desk import moved
from ..chats.palette import COMMANDS, Choice, choices
from ..state import Sheet, State
from ..words import Words


def offered(state: State, words: Words) -> tuple[Choice, ...]:
    """What the palette shows now."""
    commands = tuple((do, words(label)) for do, label in COMMANDS)
    return choices(state.desk.palette, commands, state.chats.cards)


class PaletteFlow:
    """Intents of the palette, of the list of shortcuts, and those that only the palette and the keys have."""

    def __init__(self, app: App) -> None:
        self._app = app
        app.on("open-palette", self._open)
        app.on("input:palette", lambda text: app.dispatch(moved(palette=text, place=0)))
        app.on("palette-step", self._step)
        app.on("palette", self._take)
        app.on("palette-take", self._take_at)
        app.on("open-keys", lambda _: app.dispatch(SheetOpened(Sheet.KEYS)))
        app.on("regenerate-last", self._regenerate)
        app.on("copy-last", self._copy)
        app.on("search-chats", lambda _: app.seats.screen.act("search"))
        app.on("toggle-theme", lambda _: app.seats.screen.act("theme"))

    def _open(self, _: str) -> None:
        if self._app.state.sheet is Sheet.PALETTE:
            self._app.dispatch(SheetClosed())
            return
        self._app.dispatch(moved(palette="", place=0, menu=""))
        self._app.dispatch(SheetOpened(Sheet.PALETTE))
        self._app.draw()  # at once: what is typed next is typed into it

    def _step(self, step: str) -> None:
        count = len(offered(self._app.state, self._app.words))
        if count:
            self._app.dispatch(moved(place=(self._app.state.desk.place + int(step)) % count))

    def _take(self, _: str) -> None:
        self._take_at(str(self._app.state.desk.place))

    def _take_at(self, place: str) -> None:
        lines = offered(self._app.state, self._app.words)
        self._app.dispatch(SheetClosed())
        if int(place) < len(lines):
            line = lines[int(place)]
            self._app.heard(line.do, line.arg)

    def _last(self) -> str:
        last = next((turn for turn in reversed(self._app.state.turns) if turn.role == "assistant"), None)
        return str(last.id) if last else ""

    def _regenerate(self, _: str) -> None:
        if self._last() and not self._app.state.running:
            self._app.heard("regenerate", self._last())

    def _copy(self, _: str) -> None:
        if self._last():
            self._app.heard("copy-turn", self._last())
