"""The model's checks: is it there, does it fit, does it answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tallystick_shared.errors import Code, LocalError

from ..engines import CAPS, fit
from ..engines.exl2.diagnose import diagnose
from ..engines.gguf_file import read_model
from ..engines.llama import GgufOptions
from ..engines.probe import first_units
from ..engines.weights import find_demo
from ..settings import EngineSettings, Settings
from .finding import Finding, bad, doubt, fine, skipped
from .machine import GIB

if TYPE_CHECKING:
    from .patient import Patient

ROOM = 1.2
"""Times its files: what a model takes in memory with its cache and room to compute in, roughly."""
RESERVE = 0.1
"""Of all memory: what should stay free beside it."""


def sections(settings: Settings) -> list[EngineSettings]:
    """One for each model that the settings name."""
    return list(settings.models.values()) or ([settings.engine] if settings.engine.kind != "none" else [])


def files_of(section: EngineSettings, data_dir: Path) -> list[Path]:
    """The files of a model; none where the engine has none here. Raises LocalError MODEL_MISSING."""
    path = section.options.get("path")
    if path is None:
        return [find_demo(data_dir=data_dir)] if section.kind == "gguf" else []
    place = Path(str(path)).expanduser()
    found = sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place]
    if not found or not found[0].is_file():
        raise LocalError(Code.MODEL_MISSING, path=str(place))
    return found


async def model(patient: Patient) -> Finding:
    """What each engine needs is installed, and the models' files are there."""
    found = [_model(section, patient.settings.data_dir) for section in sections(patient.settings)]
    if not found:
        return bad("No engine is set, so there is nothing to rent out.", "Set [engine] kind, or give --engine.")
    worst = next((one for one in found if one.mend), None)
    return worst or fine(" ".join(one.says for one in found), models=[one.values for one in found])


def _model(section: EngineSettings, data_dir: Path) -> Finding:
    kind = section.kind
    if missing := diagnose(kind) if kind.startswith("exl") else "":
        return bad(f"The engine {kind} cannot run here.", missing, engine=kind)
    try:
        files = files_of(section, data_dir)
    except LocalError as error:
        mend = "Install it by `tallystick models get`, or set [engine.options] path."
        return bad("The model's file is missing.", mend, **error.values)
    size = sum(file.stat().st_size for file in files)
    if not files:
        return fine(f"The engine {kind} needs no files here.", engine=kind, size=0)
    return fine(f"{files[0].name}, {size / GIB:.2f} GiB.", engine=kind, size=size, files=[str(file) for file in files])


async def memory(patient: Patient) -> Finding:
    """Each model fits into memory beside what runs already; of several the largest, for they make room for each
    other.
    """
    if patient.node is not None:
        return fine("The running node has it in memory.")
    found = [_memory(section, patient) for section in sections(patient.settings)]
    return max(found, key=lambda one: int(one.values.get("needs", 0)))


def _memory(section: EngineSettings, patient: Patient) -> Finding:
    machine, files = patient.machine, files_of(section, patient.settings.data_dir)
    if not files:
        return fine("Nothing is loaded here.")
    if section.kind.startswith("gguf"):
        options = {name: value for name, value in section.options.items() if name not in ("path", *CAPS)}
        estimate = fit.estimate(read_model(files[0]), GgufOptions(**options), machine.memory)
        needs, free, total, says = estimate.needs, estimate.free, estimate.total, estimate.says()
    else:
        needs, (free, total) = int(ROOM * sum(file.stat().st_size for file in files)), machine.memory()
        if section.kind in ("exl2", "exl3"):
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
    """Every model makes one real unit; in the running node where there is one, which has them in memory."""
    if patient.node is not None:
        results = (await patient.node.command("/try"))["seconds"]
        patient.able = await patient.node.models()
    else:
        opened = await patient.open_engine(patient.settings)
        try:
            patient.able = opened.models()
            results = await first_units(opened)
        finally:
            await opened.close()
    tried = [seconds for seconds in results.values() if seconds is not None]
    named = ", ".join(results)
    if not tried:
        return skipped(f"{named}: nobody here knows how to ask such a model.")
    return fine(f"{named}: the first unit came after {max(tried):.2f} s.", models=named, seconds=round(max(tried), 3))
