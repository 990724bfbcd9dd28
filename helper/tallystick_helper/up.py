"""`tallystick up`: the page, the public listener, the engine and the nodes, one a chain, from start to drain."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import structlog

from tallystick_shared.errors import Code, LocalError

from . import running
from .admin import Admin
from .app import OWN_HOSTS, page_app, public_app
from .console.facts import Facts, Process
from .control import Control
from .crypto import NativeCrypto
from .data_lock import DataLock
from .engines import Engine
from .engines.door import Door
from .metrics import Metrics
from .model_list import served
from .models import open_models
from .node.assemble import Running, gate_rules, trial_of
from .node.gate import Gate
from .node.service import Node
from .node.switchboard import Name, Switchboard
from .observed import Observed
from .place import Place
from .renting import Renting
from .router import PortKeeper
from .router_port import keeper_of
from .routes.figures import Figures
from .routes.page import Page, page_folder
from .server import Listener
from .settings import Settings
from .site_file import site_values

KNOWN = 4
PATIENCE = 2.0  # for a further chain's RPC address, while somebody waits for the page
log = structlog.get_logger(__name__)


class Up:
    """Everything that one process of Tallystick runs. `start`, then `stop`; `places` are the chains it works on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.crypto = NativeCrypto()
        self._lock = DataLock(settings.data_dir)
        self.engine: Engine | None = None
        self.door: Door | None = None
        self.public: Listener | None = None
        self.page: Listener | None = None
        self._gate = Gate(gate_rules(settings.listen))
        renting = Renting(settings.data_dir, settings.renting)
        trial = trial_of(settings)
        self.places = [Place(one, self.crypto, self._gate, self._free, renting, trial) for one in settings.places()]
        self.control = Control(self, renting)
        self._switchboard = Switchboard(lambda: self.nodes, self._absent, self._gate)
        self.metrics = Metrics(lambda: self.engine, self.places)
        self.facts = Facts(
            Process(settings, lambda: self.engine, self.places, lambda: self.metrics.units, self.control.state)
        )
        parts = (settings, self.places, self._figures(), self.control, self.facts, lambda: self.endpoint)
        self.admin = Admin(*parts) if settings.admin.on else None
        self._supervisors: list[asyncio.Task[None]] = []
        self.router: PortKeeper | None = None

    @property
    def nodes(self) -> list[Node]:
        """Those that serve now, in the order of the settings."""
        return [place.running.node for place in self.places if place.running]

    @property
    def running(self) -> Running | None:
        """The first chain's node."""
        return self.places[0].running if self.places else None

    @property
    def node(self) -> Node | None:
        return self.running.node if self.running else None

    @property
    def serving(self) -> asyncio.Event:
        """Set once the first chain's node serves."""
        return self.places[0].serving if self.places else asyncio.Event()

    def _absent(self) -> list[Name]:
        """Who was announced, but cannot be served yet: its chain does not answer, say."""
        there = [place.announced for place in self.places if place.announced and not place.running]
        return [(one.where.chain_id, one.where.registry, one.provider) for one in there]

    def _free(self, asking: Place) -> bool:
        """Is no earlier section on the same chain, and no other served there? Two would send with one key's nonces."""
        same = [place for place in self.places if place.chain_id == asking.chain_id]
        return same[0] is asking and not any(place.running for place in same[1:])

    async def start(self) -> None:
        """Takes the data directory for itself, then opens the listeners, then the engine, then the node of each chain
        that was announced on. Raises LocalError, NODE_RUNS where another has the data.
        """
        with running.beside(self.settings.data_dir):
            self._lock.take()
            await self._listen()
        if self.public is None:
            return
        settings = self.settings
        if settings.router.map_port:
            self.map_port()
        self.door = Door(await open_models(settings))
        engine = self.engine = Observed(self.door, self.metrics)
        await asyncio.gather(*(place.try_look(engine) for place in self.places))
        self._supervisors = [asyncio.create_task(place.supervise(engine)) for place in self.places]

    async def _listen(self) -> None:
        """Opens the page's listener and the admin's, and the public one where a model is served. Raises LocalError
        BAD_SETTINGS where a port is taken.
        """
        settings = self.settings
        try:
            page = Page(page_folder(settings.page.files), demo=bool(settings.demo_key))
        except LocalError as error:
            log.warning("no_page", reason=error.values.get("reason"))
        else:
            app = page_app(page, self.configuration, settings.page.host)
            self.page = Listener(app, settings.page.host, settings.page.port, websocket=False)
            self.page.start()
        if self.admin is not None:
            await self.admin.start()
            running.note(settings.data_dir, self.admin.origin)
        if not self.places or not settings.serves:
            return
        listen = settings.listen
        app = public_app(lambda: self._switchboard if self.nodes else None)
        self.public = Listener(app, listen.host, listen.port, websocket=True, gate=self._gate, proxies=listen.proxies)
        self.public.start()

    def map_port(self) -> PortKeeper:
        """Asks the router for the public listener's port from now on. Raises LocalError BAD_SETTINGS where there is no
        such listener.
        """
        if self.router is None:
            if self.public is None:
                raise LocalError(Code.BAD_SETTINGS, reason="this node serves nobody: it has no chain, or no engine")
            self.router = keeper_of(self.settings, self.public.port)
            self.router.start()
        return self.router

    async def leave_port(self) -> None:
        """Closes it at the router."""
        keeper, self.router = self.router, None
        if keeper is not None:
            await keeper.stop()

    @property
    def endpoint(self) -> str | None:
        """Where others reach it, as far as it is known."""
        if self.settings.listen.endpoint:
            return self.settings.listen.endpoint
        if self.router is not None and self.router.mapping is not None:
            return self.router.mapping.url
        return f"ws://127.0.0.1:{self.public.port}" if self.public else None

    def _figures(self) -> Figures:
        """What the admin listener tells of this process."""
        return Figures(
            self.metrics.text, lambda: [row.values() for row in served(self.engine, self.places, self.settings)]
        )

    def urls(self) -> dict[str, Any]:
        """What a person or a script needs to know."""
        settings = self.settings
        return {
            "page": f"http://{settings.page.host}:{self.page.port}/" if self.page else None,
            "gateway": None,
            "console": None,
            **(self.admin.urls() if self.admin else {}),
            "endpoint": self.endpoint,
            "provider": self.places[0].provider() if self.places else None,
            "model": self.engine.capabilities().model if self.engine else None,
            "models": [able.model for able in self.engine.models()] if self.engine else [],
            "pid": os.getpid(),
            "resting": self.control.renting.resting or None,
            "chains": {place.name: place.provider() for place in self.places if place.name},
        }

    async def configuration(self) -> dict[str, Any]:
        """`/tallystick.json`: the first chain, and under `further` the others whose contracts are known. Raises
        LocalError where no chain is set, or the contracts are unknown on the first.
        """
        if not self.places:
            raise LocalError(Code.NO_CONTRACTS)
        found = await self._site(self.places[0])
        asked = (asyncio.wait_for(self._site(place), PATIENCE) for place in self.places[1:])
        further = await asyncio.gather(*asked, return_exceptions=True)
        # One whose chain does not answer yet is left out, not waited for.
        if known := [site for site in further if isinstance(site, dict)]:
            found["further"] = known
        for site in (found, *known):
            if self.settings.demo_key:
                site["demo"] = {"key": self.settings.demo_key}
            if console := self._console():
                site["console"] = console
        return found

    def _console(self) -> str:
        """The console's bare address, for a link: it asks to be paired. Empty where others may look at the page: the
        console is on this machine.
        """
        here = self.settings.page.host in OWN_HOSTS
        return f"{self.admin.origin}/" if here and self.admin is not None and self.admin.listener is not None else ""

    @staticmethod
    async def _site(place: Place) -> dict[str, Any]:
        found = site_values(place.settings.chain, await place.where())
        if place.running is not None:
            # Whom the page may ask for snapshots, though its chain's node has forgotten old logs. It checks them.
            known = place.running.market.some(KNOWN)
            found["known"] = {"0x" + provider.hex(): "0x" + blob.hex() for provider, blob in known.items()}
        return found

    async def stop(self) -> None:
        """Ends what this person asked others, drains the nodes, then closes listeners, engine and chains. The data
        directory is let go last.
        """
        try:
            if self.admin is not None:
                await self.admin.stop()
            for supervisor in self._supervisors:
                supervisor.cancel()
            await asyncio.gather(*self._supervisors, return_exceptions=True)
            await asyncio.gather(self.leave_port(), *(place.stop() for place in self.places))
            await asyncio.gather(*(listener.stop() for listener in (self.public, self.page) if listener is not None))
            if self.engine is not None:
                await self.engine.close()
        finally:
            if self._lock.held:
                running.forget(self.settings.data_dir)
            self._lock.leave()
