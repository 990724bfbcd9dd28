"""Which wallet of this browser signs: the only one, else the one that the person picks."""

from __future__ import annotations

import asyncio

from .desk import Desk


class Picking:
    """The intents of the picker."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked: asyncio.Future[str | None] | None = None
        desk.on("pick-wallet", self._answer)
        desk.on("close-sheet", lambda _: self._close())

    async def wallet(self) -> str | None:
        """Its id. None where there is none, which has been said then, or where the picker was closed."""
        desk, found = self._desk, self._desk.seats.wallets.found()
        if not found:
            desk.say(*desk.words.error("no_wallet"))
            return None
        if len(found) == 1:
            return found[0].id
        self._close()
        self._asked = asyncio.get_running_loop().create_future()
        desk.change(sheet="wallets", wallets=tuple((one.id, one.name) for one in found))
        return await self._asked

    def _answer(self, wallet: str | None) -> None:
        asked, self._asked = self._asked, None
        self._desk.change(sheet="")
        if asked is not None and not asked.done():
            asked.set_result(wallet)

    def _close(self) -> None:
        self._answer(None)
