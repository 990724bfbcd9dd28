"""Language and colours."""

from __future__ import annotations

from typing import Any

from tallystick_web.main import build, start
from tallystick_web.state import Sheet
from tallystick_web.tree import text_of
from tallystick_web.views.sheets import sheet
from tests.web.seats import MemoryScreen, StillWorld, seats


class GermanWorld(StillWorld):
    """A browser whose first language is German."""

    def language(self) -> str:
        return "de"


class ShellScreen(MemoryScreen):
    """Remembers what the shell was asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.acts: list[str] = []

    def act(self, name: str) -> None:
        self.acts.append(name)


def shown(app: Any) -> str:
    return " ".join(text_of(node) for node in sheet(app.state, app.words))


async def test_the_page_speaks_the_browsers_language_until_another_is_chosen() -> None:
    made = seats(world=GermanWorld())
    screen = ShellScreen()
    object.__setattr__(made, "screen", screen)
    page = build(made)
    await start(page, "")
    app = page.app
    app.heard("open-settings")
    assert app.state.sheet is Sheet.SETTINGS
    assert "Sprache" in shown(app)
    app.heard("input:language", "en")
    assert "Language" in shown(app) and "Deutsch" in shown(app)
    assert screen.acts == ["language:en"]
    app.heard("input:language", "xx")
    assert app.state.language == "en"
    await app.idle()


async def test_the_shell_says_which_colours_were_chosen() -> None:
    made = seats()
    screen = ShellScreen()
    object.__setattr__(made, "screen", screen)
    app = build(made).app
    app.heard("choose-colours", "dark")
    assert (screen.acts, app.state.colours) == (["colours:dark"], "device")
    app.heard("colours", "dark")
    assert app.state.colours == "dark"
