"""The admin listener as the process runs it: the gateway, its keys, and the routes of this person alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from tallystick_shared.errors import Code, LocalError, TallystickError

from .admin_guard import names_of
from .app import admin_app
from .console.facts import Facts
from .console.owners import PlaceOwners
from .console.pairing import SECRET_LIFE, Pairing
from .console.sign_in import SignIn
from .console.wizard import Wizard
from .crypto import NativeCrypto
from .gateway.holdings import Holdings
from .gateway.key import ApiKey
from .gateway.service import Gateway
from .place import Place
from .routes.console_page import console_page_routes
from .routes.control import Controls, control_routes
from .routes.door import Door
from .routes.facts import fact_routes
from .routes.figures import Figures, figure_routes
from .routes.openai import Answers
from .routes.page import page_folder
from .routes.pairing import pairing_routes
from .routes.provide import provide_routes
from .routes.renting import renting_routes
from .running import KEY as CONTROL_KEY
from .server import Listener
from .settings import Settings
from .store import UserStore

KEEP_ALIVE = 75
"""Seconds: longer than clients keep an idle connection, so that it is they who close it."""


class Admin:
    """`start`, then `stop`. Deposits are those of the data directory; `places` are the chains they are on."""

    def __init__(
        self,
        settings: Settings,
        places: Sequence[Place],
        figures: Figures,
        controls: Controls,
        facts: Facts,
        endpoint: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`endpoint` is where others reach the node, as far as it is known."""
        self._facts, self._endpoint = facts, endpoint
        self._settings, self._places, self._figures, self._controls = settings, places, figures, controls
        self._crypto = NativeCrypto()
        self._store = UserStore(settings.data_dir, self._crypto)
        self._holdings: dict[str, Holdings] = {}
        wishes = settings.gateway
        self.gateway = Gateway(self._money, idle=wishes.idle, traffic=wishes.traffic)
        self.key = ApiKey(settings.data_dir)
        self.metrics_key = ApiKey(settings.data_dir, "metrics")
        self._control_key = ApiKey(settings.data_dir, CONTROL_KEY)
        self.pairing = Pairing()
        self.door = Door(self.pairing, SignIn(self._crypto, PlaceOwners(settings, places, self._crypto)))
        self.app: Starlette | None = None
        self.listener: Listener | None = None

    async def start(self) -> None:
        """Raises LocalError BAD_SETTINGS where the port is taken, BAD_KEY_FILE."""
        for key in (self.key, self.metrics_key, self._control_key):
            key.text()
        answers = Answers(self.gateway, self.key, self._settings.gateway.max_tokens)
        admin = self._settings.admin
        figures = figure_routes(self._figures, self.metrics_key)
        controls = control_routes(self._controls, self._control_key)
        self.app = admin_app(
            [*answers.routes(), *figures, *controls, *self._console(), *self._document()],
            self._names,
        )
        self.listener = Listener(self.app, admin.host, admin.port, websocket=False, keep_alive=KEEP_ALIVE)
        self.listener.start()
        self._facts.start()

    def _console(self) -> list[BaseRoute]:
        """The console's API."""
        wizard = Wizard(self._settings, self._places, self._controls, self._crypto, self._endpoint)
        return [
            *pairing_routes(self.door),
            *renting_routes(self.door, self._controls),
            *fact_routes(self.door, self._facts),
            *provide_routes(self.door, wizard),
        ]

    def _document(self) -> list[BaseRoute]:
        """The console itself, where the page is built."""
        try:
            return console_page_routes(page_folder(self._settings.page.files))
        except LocalError:
            return []

    def _names(self) -> frozenset[str]:
        """The listener's own Host values, once it is bound."""
        return names_of(self._settings.admin.host, self.listener.port if self.listener else 0)

    async def _money(self) -> list[Holdings]:
        """Of each chain whose contracts are known. Raises LocalError of the first chain where there is none."""
        found, fault = [], None
        for place in self._places:
            if place.name not in self._holdings:
                try:
                    where = await place.where()
                except TallystickError as error:
                    fault = fault or error
                    continue
                symbol = place.settings.chain.symbol
                self._holdings[place.name] = Holdings(self._crypto, place.rpc, where, self._store, symbol, place.name)
            found.append(self._holdings[place.name])
        if not found:
            raise fault or LocalError(Code.NO_CONTRACTS, reason="no chain is set: give --rpc URL")
        return found

    @property
    def origin(self) -> str:
        """Of the listener, once it is bound."""
        host = "[::1]" if self._settings.admin.host == "::1" else "127.0.0.1"
        return f"http://{host}:{self.listener.port if self.listener else 0}"

    def pair(self) -> dict[str, Any]:
        """An address that pairs one browser with the console, and for how many seconds it is good."""
        return {"url": f"{self.origin}/#pair={self.pairing.offer()}", "seconds": int(SECRET_LIFE)}

    def urls(self) -> dict[str, Any]:
        """Where the local API is."""
        return {"gateway": f"{self.origin}/v1" if self.listener else None, "console": self.pair()["url"]}

    async def stop(self) -> None:
        """Ends requests, then the connections to providers: what was received is paid."""
        if self.listener is not None:
            await self.listener.stop()
            await self._facts.stop()
        await self.gateway.close()
