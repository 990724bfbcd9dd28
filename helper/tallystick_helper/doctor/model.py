"""The model's checks: is it there, does it fit, does it answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick_shared.audio import speech_input
from tallystick_shared.chat import chat_input
from tallystick_shared.embeddings import embeddings_input
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.images import images_input
from tallystick_shared.services import CHAT, EMBEDDINGS, IMAGES, SPEECH

from ..engines import Capabilities, Engine, Piece, Reason, Task, fit
from ..engines.exl2.diagnose import diagnose
from ..engines.gguf_file import read_model
from ..engines.llama import GgufOptions
from ..engines.weights import find_demo
from ..settings import Settings
from .finding import Finding, bad, doubt, fine, skipped
from .machine import GIB

if TYPE_CHECKING:
    from .patient import Patient

ROOM = 1.2
"""Times its files: what a model takes in memory with its cache and room to compute in, roughly."""
RESERVE = 0.1
"""Of all memory: what should stay free beside it."""
INPUTS = {
    CHAT.name: chat_input([("user", "Say yes.")]),
    EMBEDDINGS.name: embeddings_input(["yes"]),
    IMAGES.name: images_input("a tally stick"),
    SPEECH.name: speech_input("yes"),
}


def files_of(settings: Settings) -> list[Path]:
    """The files of the model in the settings; none where the engine has none here. Raises LocalError MODEL_MISSING."""
    path = settings.engine.options.get("path")
    if path is None:
        return [find_demo(data_dir=settings.data_dir)] if settings.engine.kind == "gguf" else []
    place = Path(str(path))
    found = sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place]
    if not found or not found[0].is_file():
        raise LocalError(Code.MODEL_MISSING, path=str(place))
    return found


async def model(patient: Patient) -> Finding:
    """What the engine needs is installed, and the model's files are there."""
    kind = patient.settings.engine.kind
    if kind == "none":
        return bad("No engine is set, so there is nothing to rent out.", "Set [engine] kind, or give --engine.")
    if missing := diagnose(kind) if kind.startswith("exl") else "":
        return bad(f"The engine {kind} cannot run here.", missing, engine=kind)
    try:
        files = files_of(patient.settings)
    except LocalError as error:
        return bad("The model's file is missing.", "Install the model, or set [engine.options] path.", **error.values)
    size = sum(file.stat().st_size for file in files)
    if not files:
        return fine(f"The engine {kind} needs no files here.", engine=kind, size=0)
    return fine(f"{files[0].name}, {size / GIB:.2f} GiB.", engine=kind, size=size, files=[str(file) for file in files])


async def memory(patient: Patient) -> Finding:
    """The model fits into memory beside what runs already."""
    settings, machine = patient.settings, patient.machine
    files = files_of(settings)
    if not files:
        return fine("Nothing is loaded here.")
    if settings.engine.kind == "gguf":
        options = {name: value for name, value in settings.engine.options.items() if name != "path"}
        found = fit.estimate(read_model(files[0]), GgufOptions(**options), machine.memory)
        needs, free, total, says = found.needs, found.free, found.total, found.says()
    else:
        needs, (free, total) = int(ROOM * sum(file.stat().st_size for file in files)), machine.memory()
        if settings.engine.kind in ("exl2", "exl3"):
            gpus = machine.gpus()
            free, total = sum(gpu.free for gpu in gpus), sum(gpu.memory for gpu in gpus)
        says = f"It needs about {needs / GIB:.1f} GiB, and {free / GIB:.1f} GiB are free."
    values = {"needs": needs, "free": free, "total": total}
    if needs > free:
        return bad(says, "Take a smaller model or a stronger quantisation, or end what else uses memory.", **values)
    if free - needs < RESERVE * total:
        return doubt(says, "End what else uses memory, or take a smaller model.", **values)
    return fine(says, **values)


async def engine(patient: Patient) -> Finding:
    """Every model makes one real unit."""
    opened = await patient.open_engine(patient.settings)
    try:
        patient.able = opened.models()
        results = [await _one(opened, able) for able in patient.able]
    finally:
        await opened.close()
    tried = [seconds for seconds in results if seconds is not None]
    named = ", ".join(able.model for able in patient.able)
    if not tried:
        return skipped(f"{named}: nobody here knows how to ask such a model.")
    return fine(f"{named}: the first unit came after {max(tried):.2f} s.", models=named, seconds=round(max(tried), 3))


async def _one(opened: Engine, able: Capabilities) -> float | None:
    """Seconds to the first piece; None where its services are not known here. Raises LocalError ENGINE_FAILED."""
    service = next((name for name in able.services if name in INPUTS), None)
    if service is None:
        return None
    # A few, because the first may be a part of a character only.
    task, start = Task(service, INPUTS[service], max_units=4, model=able.model), time.monotonic()
    async with opened.run(task) as run:
        async for event in run:
            if isinstance(event, Piece):
                return time.monotonic() - start
            if event.reason in (Reason.ERROR, Reason.CANCELLED):
                raise event.error or LocalError(Code.ENGINE_FAILED, model=able.model, finish=event.reason.value)
    return time.monotonic() - start
