"""The console: seats, desk and flows put together."""

from __future__ import annotations

from .books import Books
from .desk import Desk
from .owner import Owner
from .picking import Picking
from .providing import Providing
from .renting import Renting
from .seats import Seats
from .state import TABS, Phase
from .watching import Watching


def build(seats: Seats) -> tuple[Desk, Watching]:
    """Everything wired, nothing started."""
    desk = Desk(seats)
    watching = Watching(desk)
    Renting(desk, watching)
    picking = Picking(desk)
    owner = Owner(desk, picking)
    Books(desk, watching, owner)
    Providing(desk, watching, owner, picking)

    def show(tab: str) -> None:
        if tab in TABS:
            desk.change(tab=tab, notice=None)
            watching.wake()

    desk.on("tab", show)
    desk.on("open-pause", lambda _: desk.change(sheet="pause"))
    desk.on("close-notice", lambda _: desk.change(notice=None))
    desk.on("copy", seats.screen.copy)
    return desk, watching


async def start(desk: Desk, watching: Watching) -> None:
    """Learns whether it is paired, then looks after the node for as long as it is."""
    answer = await desk.seats.api.paired()
    clock = desk.seats.clock
    desk.change(now=clock.wall(), offset=clock.offset_minutes())
    if answer.good:
        desk.change(phase=Phase.PAIRED)
        desk.spawn(watching.run())
    elif answer.status == 0:
        desk.change(phase=Phase.UNPAIRED, why="NO_NODE")
    else:
        desk.change(phase=Phase.UNPAIRED, why=str(answer.body.get("error", "")))
    desk.draw()


async def main() -> None:
    """Runs the console in the browser."""
    from . import browser

    desk, watching = build(browser.seats())
    await start(desk, watching)
    browser.attach(desk.heard)
    browser.mark_ready()
