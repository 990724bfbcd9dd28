"""`tallystick models`: what this node serves, or would serve once it runs, with state, load and prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tallystick_shared.errors import TallystickError
from tallystick_shared.money import Price

from .engines import CAPS, Capabilities, Engine
from .engines.facts import FactsBook, key_of
from .engines.weights import DEMO
from .metrics import state_of
from .place import Place
from .registering import offer_of
from .settings import EngineSettings, Settings


@dataclass(frozen=True)
class Row:
    """A model. `state` is `loaded`, `leaving`, `unloaded`, or `not running` where the node does not. Load is None
    there, `fits` (green, amber, red) empty where it cannot be told. Prices in smallest units per 1,000,000 units.
    """

    model: str
    engine: str
    kind: str
    unit: str
    state: str
    context: int
    quantisation: str
    price_in: str
    price_out: str
    announced: bool
    slots: int | None = None
    running: int | None = None
    queue: int | None = None
    waiting: int | None = None
    fits: str = ""

    def values(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def served(engine: Engine | None, places: Sequence[Place], settings: Settings) -> list[Row]:
    """What runs here now. Prices are those that the first chain announced, else what the settings would announce."""
    if engine is None:
        return []
    announced: dict[str, Price] = {}
    for place in places:
        if place.running is not None:
            for offer in place.running.node.profile.offers:
                announced.setdefault(offer.model, offer.price)
    rows = []
    for able in engine.models():
        load, price = engine.load(able.model), announced.get(able.model) or offer_of(settings, able).price
        row = _row(able, state_of(engine, able.model), price, announced=able.model in announced)
        taken: dict[str, Any] = {
            "slots": load.slots,
            "running": load.running,
            "queue": load.queue,
            "waiting": load.waiting,
        }
        rows.append(replace(row, **taken))
    return rows


def _row(able: Capabilities, state: str, price: Price, *, announced: bool, fits: str = "") -> Row:
    return Row(
        able.model,
        able.engine,
        able.kind,
        able.unit,
        state,
        able.context,
        able.quantisation,
        str(price.input),
        str(price.output),
        announced,
        fits=fits,
    )


def servable(settings: Settings) -> list[Row]:
    """What the settings name, without loading anything: by what an earlier start learned, else by the model's file."""
    book = FactsBook(settings.data_dir)
    rows: list[Row] = []
    for name, section in (settings.models or {"": settings.engine}).items():
        if section.kind == "none":
            continue
        options = {**section.options, **({"name": name} if name else {})}
        facts = book.get(key_of(section.kind, options)) or book.get(key_of(section.kind, section.options))
        models = facts.models if facts else (_guess(name, section, settings),)
        for able in models:
            price, fits = offer_of(settings, able).price, _fits(section, settings)
            rows.append(_row(able, "not running", price, announced=False, fits=fits))
    return rows


def _guess(name: str, section: EngineSettings, settings: Settings) -> Capabilities:
    """As far as the settings and the file's header tell."""
    shown, quantisation, context = name or section.kind, "", 0
    if section.kind.startswith("gguf"):
        try:
            model, wanted = _file(section, settings)
            demo = f"{DEMO.name}-vectors" if wanted.embeddings else DEMO.name
            shown = name or wanted.name or (demo if wanted.path is None else model.name)
            quantisation, context = model.quantisation, wanted.context
        except (TallystickError, TypeError):
            pass  # starting it tells what is wrong
    kind = "vectors" if section.kind == "gguf-embeddings" else "text"
    unit = "vector" if kind == "vectors" else "token"
    return Capabilities(section.kind, kind, (), shown, unit, context, 1, 0, bytes(32), "", quantisation=quantisation)


def _fits(section: EngineSettings, settings: Settings) -> str:
    from .engines.fit import estimate

    if not section.kind.startswith("gguf"):
        return ""
    try:
        return estimate(*_file(section, settings)).fits.value
    except (TallystickError, TypeError):
        return ""


def _file(section: EngineSettings, settings: Settings) -> Any:
    """The model's file and how it would be run. Raises TallystickError, TypeError."""
    from .engines.gguf import find_model, gguf_options
    from .engines.gguf_embeddings import vector_options

    own = {option: value for option, value in section.options.items() if option not in CAPS}
    wanted = vector_options(own) if section.kind == "gguf-embeddings" else gguf_options(own)
    return find_model(wanted, settings.data_dir), wanted
