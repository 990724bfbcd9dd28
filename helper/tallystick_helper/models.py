"""The engine that the settings ask for: the one of `[engine]`, or those of `[models.NAME]` behind one seat."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tallystick_shared.errors import LocalError

from .engines import CAPS, Engine, open_engine
from .engines.facts import key_of
from .engines.fleet import Fleet, Member
from .engines.residence import Residence, Resident
from .settings import EngineSettings, Settings

NAMED = frozenset({"gguf", "gguf-embeddings", "exl2", "exl3", "exl2_ref", "upstream", "echo"})
"""Engines whose option `name` is what the model is offered under."""


async def open_models(settings: Settings) -> Engine:
    """Raises LocalError as `open_engine` does; of several models with the name of the one that is wrong."""
    engine, memory = settings.engine, settings.memory
    rules = Residence(memory.loaded, memory.idle, memory.reserve << 20)
    if not settings.models and not memory.idle:
        return await open_engine(engine.kind, engine.options, settings.data_dir)
    sections = settings.models or {"": engine}
    members = [member_of(name, section, settings.data_dir) for name, section in sections.items()]
    return await Fleet.open(members, rules, settings.data_dir)


def member_of(name: str, section: EngineSettings, data_dir: Path) -> Member:
    """A model of a fleet, not loaded yet."""
    options = dict(section.options)
    if name and section.kind in NAMED:
        options.setdefault("name", name)
    opener = partial(_open, name, section.kind, options, data_dir)
    resident = Resident(name or section.kind, opener, partial(_needs, section.kind, options, data_dir))
    return Member(resident, key_of(section.kind, options))


async def _open(name: str, kind: str, options: dict[str, Any], data_dir: Path) -> Engine:
    try:
        return await open_engine(kind, options, data_dir)
    except LocalError as error:
        raise LocalError(error.code, **{"model": name, **error.values}) from error


def _needs(kind: str, options: dict[str, Any], data_dir: Path) -> int:
    """Bytes of this machine's memory, 0 where that is not known before the model is loaded."""
    if kind not in ("gguf", "gguf-embeddings"):
        return 0
    from .engines.fit import estimate
    from .engines.gguf import find_model, gguf_options
    from .engines.gguf_embeddings import vector_options
    from .engines.llama import has_gpu

    own = {option: value for option, value in options.items() if option not in CAPS}
    try:
        wanted = vector_options(own) if kind == "gguf-embeddings" else gguf_options(own)
        if wanted.gpu_layers != 0 and has_gpu():
            return 0
        return estimate(find_model(wanted, data_dir), wanted).needs
    except (LocalError, TypeError):
        return 0  # opening it tells what is wrong
