"""How a chat is answered: its system prompt and parameters, presets with names, and files that go along."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from ..actions import Noticed, SheetClosed, SheetOpened
from ..app import App
from ..chats.actions import SetupChanged
from ..chats.desk import Preset, moved
from ..chats.model import Attached, Setup
from ..state import Notice, Sheet
from .history import HistoryFlow

MOST_FILES = 20


class SetupFlow:
    """Intents of the sheet "How this chat is answered" and of the attachments."""

    def __init__(self, app: App, history: HistoryFlow) -> None:
        self._app, self._history = app, history
        app.on("open-setup", lambda _: app.dispatch(SheetOpened(Sheet.SETUP)))
        app.on("setup", lambda _: app.dispatch(SheetClosed()))
        app.on("input:system", lambda text: self._set(system=text))
        for name, low, high in (("temperature", 0.0, 2.0), ("top_p", 0.01, 1.0)):
            app.on(f"input:{name}", self._number(name, low, high))
        app.on("input:seed", lambda text: self._whole("seed", text, 2**32 - 1))
        app.on("input:most", lambda text: self._whole("most", text, 1_000_000))
        app.on("use-preset", self._use)
        app.on("keep-preset", self._keep)
        app.on("drop-preset", self._drop)
        app.on("attach", self._attach)
        app.on("detach", self._detach)
        app.on("refused-file", self._refused)

    @property
    def _setup(self) -> Setup:
        return self._app.state.chats.chat.setup

    def _set(self, **values: object) -> None:
        self._app.dispatch(SetupChanged(replace(self._setup, **values)))  # type: ignore[arg-type]

    def _number(self, name: str, low: float, high: float) -> Callable[[str], None]:
        def typed(text: str) -> None:
            try:
                value = min(high, max(low, float(text.replace(",", "."))))
            except ValueError:
                self._set(**{name: None})
                return
            self._set(**{name: value})

        return typed

    def _whole(self, name: str, text: str, most: int) -> None:
        number = int(text) if text.strip().isascii() and text.strip().isdigit() else None
        self._set(**{name: None if number is None else min(most, number) or None})

    # -- presets

    def _use(self, name: str) -> None:
        preset = next((preset for preset in self._app.state.desk.presets if preset.name == name), Preset(""))
        self._set(system=preset.system, temperature=preset.temperature, top_p=preset.top_p)

    async def _keep(self, name: str) -> None:
        """Under a name; one with the same name is replaced."""
        name, setup = " ".join(name.split())[:60], self._setup
        if not name:
            return
        others = [preset for preset in self._app.state.desk.presets if preset.name != name]
        made = Preset(name, setup.system, setup.temperature, setup.top_p)
        await self._write(tuple(sorted([*others, made], key=lambda preset: preset.name.casefold())))

    async def _drop(self, name: str) -> None:
        await self._write(tuple(preset for preset in self._app.state.desk.presets if preset.name != name))

    async def _write(self, presets: tuple[Preset, ...]) -> None:
        self._app.dispatch(moved(presets=presets))
        await self._history.store.keep_presets(presets)

    # -- files that go along

    def _attach(self, argument: str) -> None:
        """`argument`: JSON with the file's name and text."""
        file = json.loads(argument)
        files = (*self._app.state.desk.files, Attached(str(file["name"]), str(file["text"])))
        self._app.dispatch(moved(files=files[-MOST_FILES:], menu=""))
        self._app.seats.screen.to_draft()

    def _detach(self, place: str) -> None:
        files = list(self._app.state.desk.files)
        if int(place) < len(files):
            del files[int(place)]
        self._app.dispatch(moved(files=tuple(files)))
        self._app.seats.screen.to_draft()

    def _refused(self, argument: str) -> None:
        """`argument`: why, and after a space the file's name."""
        why, _, name = argument.partition(" ")
        reason = self._app.words(f"files.why_{why}")
        self._app.dispatch(Noticed(Notice("file_refused", (("name", name), ("why", reason)), quiet=True)))
