"""Pause, resume, drain, deny and allow: what a paired console may do without the owner."""

from __future__ import annotations

import json

from .desk import Desk
from .watching import Watching


class Renting:
    """The intents."""

    def __init__(self, desk: Desk, watching: Watching) -> None:
        self._desk, self._watching = desk, watching
        desk.on("pause", self.pause)
        desk.on("resume", lambda _: self._do("resume"))
        desk.on("drain", lambda _: self._do("drain"))
        desk.on("deny", lambda given: self._do("deny", account=_account(given)))
        desk.on("allow", lambda given: self._do("allow", account=_account(given)))

    async def pause(self, seconds: str) -> None:
        """For so many seconds, or until `resume`."""
        await self._do("pause", **({"seconds": int(seconds)} if seconds else {}))

    async def _do(self, name: str, **body: object) -> None:
        answer = await self._desk.tell(name, **body)
        if answer.good:
            self._desk.change(data={**self._desk.state.data, "state": answer.body}, sheet="")
            self._watching.wake()


def _account(given: str) -> str:
    """A button's argument, or a form's field."""
    if not given.startswith("{"):
        return given
    return str(json.loads(given).get("account", "")).strip()
