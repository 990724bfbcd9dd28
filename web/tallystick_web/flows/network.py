"""Without a network the page shows what it has and asks nobody; when it is back, it goes on by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..actions import NetworkMoved, NoticeCleared
from ..app import App

BY_THE_NETWORK = ("rpc_unreachable", "provider_gone", "timed_out")


class NetworkFlow:
    """Intents "offline" and "online", which the shell says."""

    def __init__(self, app: App, back: Callable[[], Awaitable[None]]) -> None:
        """`back` goes on where the missing network stopped it."""
        self._app, self._back = app, back
        app.on("offline", lambda _: self.moved(True))
        app.on("online", self._online)

    def moved(self, offline: bool) -> None:
        self._app.dispatch(NetworkMoved(offline))

    async def _online(self, _: str) -> None:
        notice = self._app.state.notice
        if notice is not None and notice.name in BY_THE_NETWORK:
            self._app.dispatch(NoticeCleared())
        self.moved(False)
        await self._back()
