"""Language and colours: chosen here, kept by the shell, which has to know them before Python runs."""

from __future__ import annotations

from .. import pseudo
from ..actions import Coloured, SheetOpened, Spoken
from ..app import App
from ..state import Sheet
from ..words import LANGUAGES


class SettingsFlow:
    """Intents of the sheet "Settings"."""

    def __init__(self, app: App) -> None:
        self._app = app
        app.on("open-settings", lambda _: app.dispatch(SheetOpened(Sheet.SETTINGS)))
        app.on("input:language", self._speak)
        app.on("choose-colours", lambda name: app.seats.screen.act(f"colours:{name}"))
        app.on("colours", lambda name: app.dispatch(Coloured(name)))

    def _speak(self, language: str) -> None:
        if language not in LANGUAGES and language not in pseudo.CHANGES:
            return
        self._app.seats.screen.act(f"language:{language}")
        self._app.dispatch(Spoken(language))
