"""Becoming a provider out of the console, and changing the offer: the same checks as `tallystick doctor`, the same
steps as `tallystick provide`, for a wallet that is in the browser. The node gets a signature, never a key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import to_hex

from .. import drafts, kept_settings, settings
from ..doctor import CHECKS, Patient, examine
from ..engines import Capabilities
from ..engines.fit import estimate
from ..engines.gguf_file import models_in, read_model
from ..engines.llama import GgufOptions
from ..guest import NativeGuest
from ..ledger_totals import totals
from ..operator_gas import operator_gas
from ..place import Place
from ..registering import Registering, default_endpoint
from ..running import RunningNode
from ..settings import Settings
from ..settings_values import Section
from ..shown import parse_amount
from .market_range import ranges

S = TypeVar("S", bound=Section)
MOST_MODELS = 64
FILE_ONLY = frozenset({"key_file", "key_env", "manifest", "tokenizer"})
"""Options of an engine that make the node read a file or its environment for what it then sends or serves."""
WITHOUT_PAYING = frozenset(check.name for check in CHECKS) - {"paid"}


class Controls(Protocol):
    """What changes the process: `control.Control`."""

    async def use(self, engine: dict[str, Any], models: dict[str, Any]) -> dict[str, Any]: ...
    async def port(self, on: bool) -> dict[str, Any]: ...
    def models(self) -> Sequence[Capabilities]: ...
    def state(self) -> dict[str, Any]: ...


class Wizard:
    """`endpoint` gives where others reach the node, as far as it is known without a word of the person."""

    def __init__(
        self,
        given: Settings,
        places: Sequence[Place],
        controls: Controls,
        crypto: Crypto,
        endpoint: Callable[[], str | None],
    ) -> None:
        self._settings, self._places, self._controls = given, places, controls
        self._crypto, self._endpoint = crypto, endpoint
        self._wished: dict[str, Settings] = {}

    def _place(self, name: str) -> Place:
        for place in self._places:
            if place.name == name:
                return place
        raise LocalError(Code.NO_CONTRACTS if not self._places else Code.BAD_SETTINGS, chain=name)

    def settings_of(self, name: str) -> Settings:
        """Those of a chain, with what was wished here."""
        return self._wished.get(name, self._place(name).settings)

    async def look(self, chain: str) -> dict[str, Any]:
        """Where it stands: the chain for the wallet, prices, address, models, and what is announced."""
        place, wished = self._place(chain), self.settings_of(chain)
        where, kept = await place.where(), drafts.waiting(wished)
        about = wished.chain
        return {
            "chain": {"id": where.chain_id, "name": about.name, "symbol": about.symbol, "rpc": about.rpc},
            "price_in": str(wished.offer.price_in),
            "price_out": str(wished.offer.price_out),
            "stake": str(wished.offer.stake),
            "endpoint": wished.listen.endpoint or self._endpoint() or default_endpoint(wished),
            "router": self._controls.state()["router"],
            "models": [{"model": able.model, "unit": able.unit} for able in self._controls.models()],
            "provider": to_hex(place.announced.provider) if place.announced else None,
            "serving": place.running is not None,
            "waiting": bool(kept and kept.blob),
            "gas": (await operator_gas(wished, self._crypto, place.rpc)).values(),
            "paid": await self._paid(place),
        }

    @staticmethod
    async def _paid(place: Place) -> str:
        """What vouchers and claims come to so far, in the coin's smallest units."""
        if place.running is None:
            return "0"
        found = await totals(place.running.ledger)
        return str(found.paid + sum(one.durable for one in found.live.values()))

    async def check(self, chain: str, names: Sequence[str]) -> dict[str, Any]:
        """The doctor's word on these; what they need is looked at too. Never pays."""
        wanted: set[str] = set()
        for check in reversed(CHECKS):
            if check.name in WITHOUT_PAYING and (check.name in names or check.name in wanted):
                wanted |= {check.name, *check.needs}
        wished = self.settings_of(chain)
        node = RunningNode.find(wished.data_dir)
        patient = Patient(wished, self._crypto, self._place(chain).rpc, node=node)
        told = await examine([check for check in CHECKS if check.name in wanted], patient)
        return {"checks": [{**one.values(), "title": one.check.title} for one in told if one.check.name in names]}

    def find(self, path: str) -> dict[str, Any]:
        """The models in a folder or a file, each with whether it fits. Raises LocalError MODEL_MISSING."""
        place = Path(path).expanduser()
        files = models_in(place) if place.is_dir() else [place]
        if not files or not files[0].is_file():
            raise LocalError(Code.MODEL_MISSING, path=str(place))
        return {"found": [self._fit(file) for file in files[:MOST_MODELS]]}

    @staticmethod
    def _fit(file: Path) -> dict[str, Any]:
        own: dict[str, Any] = {"path": str(file), "name": file.stem}
        try:
            model = read_model(file)
            found = estimate(model, GgufOptions(path=file))
        except TallystickError as error:
            return {**own, "fits": "red", "says": error.says}
        return {**own, "name": model.name, "size": model.size, "fits": found.fits.value, "says": found.says()}

    async def use(self, engine: dict[str, Any]) -> dict[str, Any]:
        """One engine in place of those that run, also after a restart. Raises LocalError BAD_SETTINGS where it names a
        file or a variable that is read and sent to the engine's address: that is for the settings file alone.
        """
        options = engine.get("options")
        if isinstance(options, dict) and (refused := sorted(FILE_ONLY & options.keys())):
            reason = "from the console this cannot be set: write it into the settings file"
            raise LocalError(Code.BAD_SETTINGS, setting="engine.options." + refused[0], reason=reason)
        state = await self._controls.use(engine, {})
        kept = {name: value for name, value in kept_settings.read(self._settings.data_dir).items() if name != "models"}
        kept_settings.keep(self._settings.data_dir, {**kept, "engine": engine})
        return state

    async def port(self, on: bool) -> dict[str, Any]:
        """As `--map-port`, from now on. Raises LocalError NO_ROUTER, ROUTER_REFUSED."""
        state = await self._controls.port(on)
        settings.keep(self._settings.data_dir, {"router": {"map_port": on}})
        return {"router": state["router"], "endpoint": self._endpoint()}

    async def market(self, chain: str) -> dict[str, Any]:
        """What others ask on that chain, for each model here."""
        place, wished = self._place(chain), self.settings_of(chain)
        view = await NativeGuest(self._crypto, await place.where()).market(place.rpc)
        own = place.announced.provider if place.announced else None
        others = [view.listing(provider).profile for provider in view if provider != own]
        return {"ranges": ranges(wished, self._controls.models(), [one for one in others if one is not None])}

    async def draft(self, chain: str, owner: bytes, wishes: dict[str, str], shared: bool = True) -> dict[str, Any]:
        """What the owner's wallet signs: `price_in` and `price_out` in the coin, `endpoint`. `shared` tells whether the
        endpoint may become that of all chains. Raises LocalError.
        """
        place, wished = self._place(chain), self._wish(chain, wishes, shared)
        models = self._controls.models()
        if not models:
            raise LocalError(Code.MODEL_MISSING, reason="no model runs here")
        endpoint = wished.listen.endpoint or self._endpoint() or default_endpoint(wished)
        steps = Registering(wished, self._crypto, place.rpc, await place.where())
        found = await steps.draft(owner, models, endpoint)
        if not found.call:
            await steps.settled(owner, found.profile.encode())
            return {"call": "", "value": "0", "endpoint": endpoint, "typed_data": None}
        drafts.wait_for(wished, found)
        typed = steps.typed_data(found)
        return {"call": found.call, "value": str(found.value), "endpoint": endpoint, "typed_data": typed}

    async def seal(self, chain: str, signature: bytes) -> dict[str, Any]:
        """The one transaction, for the wallet to send; the node looks for it on chain from now on. Raises
        LocalError.
        """
        place, wished = self._place(chain), self.settings_of(chain)
        kept = drafts.waiting(wished)
        if kept is None:
            raise LocalError(Code.BAD_REQUEST, reason="nothing waits for its signature")
        steps = Registering(wished, self._crypto, place.rpc, await place.where())
        blob, call = steps.seal(kept.draft, signature)
        drafts.wait_for(wished, kept.draft, blob)
        return {"transaction": call.values(), "chain_id": call.chain_id}

    def _wish(self, chain: str, wishes: dict[str, str], shared: bool) -> Settings:
        """The settings with these, kept for later starts too. Raises LocalError BAD_SETTINGS."""
        offer = {name: str(parse_amount(wishes[name])) for name in ("price_in", "price_out") if wishes.get(name)}
        listen = {"endpoint": wishes["endpoint"]} if wishes.get("endpoint") else {}
        place = self._place(chain)
        before = self.settings_of(chain)
        try:
            changed = before.model_copy(
                update={"offer": _with(before.offer, offer), "listen": _with(before.listen, listen)}
            )
        except ValidationError as error:
            raise LocalError(Code.BAD_SETTINGS, reason=str(error.errors()[0]["msg"])) from None
        changed._place = place.name
        own = {"chains": {place.name: {"offer": offer}}} if place.name else {"offer": offer}
        settings.keep(before.data_dir, {**own, "listen": listen} if shared else own)
        self._wished[chain] = changed
        return changed


def _with(section: S, changes: dict[str, str]) -> S:
    return type(section).model_validate({**section.model_dump(exclude_unset=True), **changes})
