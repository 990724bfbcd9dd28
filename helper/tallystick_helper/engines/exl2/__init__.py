"""EXL2 and EXL3: models for NVIDIA GPUs, and a reference that proves the same path without one.

Three engines share one adapter and one pump: `exl2` on exllamav2, `exl3` on exllamav3, and `exl2_ref`, which reads
real EXL2 folders in numpy. Nothing of the GPU libraries is imported before an engine is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tallystick_shared.errors import Code, LocalError

from ..seat import Engine
from .diagnose import diagnose, explain

__all__ = ["diagnose", "open_exl2", "open_exl2_ref", "open_exl3"]

T = TypeVar("T")


async def open_exl2(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    """Open an EXL2 folder on exllamav2. Raises LocalError; ENGINE_FAILED with a sentence that says what is missing."""
    _check("exl2")
    from .adapter import open_exl, read_options
    from .v2 import V2Backend
    from .v2_real import real

    wanted = read_options(options)
    return await open_exl(
        "exl2", "exllamav2", lambda folder, read: V2Backend(folder, read, _said("exl2", real)), wanted, data_dir
    )


async def open_exl3(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    """Open an EXL3 folder on exllamav3. Raises LocalError; ENGINE_FAILED with a sentence that says what is missing."""
    _check("exl3")
    from .adapter import open_exl, read_options
    from .v3 import V3Backend
    from .v3_real import real

    wanted = read_options(options)
    return await open_exl(
        "exl3", "exllamav3", lambda folder, read: V3Backend(folder, read, _said("exl3", real)), wanted, data_dir
    )


async def open_exl2_ref(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    """Open an EXL2 folder, or one of plain fp16 weights, on the CPU. Slow, and exact."""
    _check("exl2_ref")
    from .adapter import open_exl, read_options
    from .ref import library
    from .v2 import V2Backend

    wanted = read_options(options)
    return await open_exl(
        "exl2_ref",
        "exl2_ref",
        lambda folder, read: V2Backend(folder, read, lambda: library(read.threads)),
        wanted,
        data_dir,
    )


def _check(engine: str) -> None:
    if missing := diagnose(engine):
        raise LocalError(Code.ENGINE_FAILED, engine=engine, reason=missing)


def _said(engine: str, load: Callable[[], T]) -> Callable[[], T]:
    """The library, or in one sentence why it cannot be imported."""

    def loaded() -> T:
        try:
            return load()
        except (ImportError, OSError, RuntimeError) as error:
            raise LocalError(Code.ENGINE_FAILED, engine=engine, reason=explain(engine, error)) from error

    return loaded
