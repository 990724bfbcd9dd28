"""What makes the answers of an engine, by its name."""

from __future__ import annotations

from functools import cache

from . import hardware


@cache
def device_of(engine: str) -> str:
    """The GPUs of this machine, else its CPU; `upstream` where another server answers. Looked up once a process."""
    if engine.startswith("upstream"):
        return "upstream"
    return ", ".join(gpu.name for gpu in hardware.gpus()) or "CPU"
