"""What runs the models.

`seat` says what an engine is. `gguf` is the embedded default; `exl2` and `exl3` run models on NVIDIA GPUs, `exl2_ref`
the former's without one; `upstream` stands before a server that speaks OpenAI's API, on this machine or a cluster;
`echo` repeats the prompt, and `toy` makes vectors, sound or images by arithmetic: both for tests and benches only.
An engine by somebody else is an entry point of the group `tallystick.engines`, whose object is `async def
open(options: Mapping[str, object], data_dir: Path | None) -> Engine`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from tallystick_shared.errors import Code, LocalError, TallystickError

from .seat import Capabilities, Engine, Event, Finish, Load, Piece, Reason, Run, Task
from .slotted import Caps, Slotted

__all__ = [
    "CAPS",
    "DEFAULT",
    "Capabilities",
    "Caps",
    "Engine",
    "Event",
    "Finish",
    "Load",
    "Piece",
    "Reason",
    "Run",
    "Slotted",
    "Task",
    "names",
    "open_engine",
]

GROUP = "tallystick.engines"
CAPS = ("max_input", "max_output", "max_seconds")
DEFAULT = "gguf"
Opener = Callable[[Mapping[str, Any], Path | None], Awaitable[Engine]]


async def _open_gguf(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .gguf import GgufEngine, gguf_options

    return await GgufEngine.open(gguf_options(options), data_dir)


async def _open_gguf_embeddings(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .gguf_embeddings import GgufEmbeddings, vector_options

    return await GgufEmbeddings.open(vector_options(options), data_dir)


async def _open_echo(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .echo import EchoEngine, EchoOptions

    return EchoEngine(EchoOptions(**options))


async def _open_toy(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .toys import ToyEngine, ToyOptions

    return ToyEngine(ToyOptions(**options))


async def _open_upstream(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .upstream import UpstreamEngine, UpstreamOptions

    return await UpstreamEngine.open(UpstreamOptions.of(options), data_dir)


async def _open_upstream_embeddings(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .upstream import UpstreamEmbeddings, UpstreamOptions

    return await UpstreamEmbeddings.open(UpstreamOptions.of(options), data_dir)


async def _open_exl2(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .exl2 import open_exl2

    return await open_exl2(options, data_dir)


async def _open_exl3(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .exl2 import open_exl3

    return await open_exl3(options, data_dir)


async def _open_exl2_ref(options: Mapping[str, Any], data_dir: Path | None) -> Engine:
    from .exl2 import open_exl2_ref

    return await open_exl2_ref(options, data_dir)


_OWN: dict[str, Opener] = {
    "gguf-embeddings": _open_gguf_embeddings,
    "gguf": _open_gguf,
    "exl2": _open_exl2,
    "exl3": _open_exl3,
    "exl2_ref": _open_exl2_ref,
    "upstream": _open_upstream,
    "upstream-embeddings": _open_upstream_embeddings,
    "echo": _open_echo,
    "toy": _open_toy,
}


def names() -> list[str]:
    """Every engine that can be opened here, our own first."""
    return [*_OWN, *(point.name for point in entry_points(group=GROUP) if point.name not in _OWN)]


async def open_engine(
    name: str = DEFAULT, options: Mapping[str, Any] | None = None, data_dir: Path | None = None
) -> Engine:
    """Open an engine by name. `options` are the caps of a request (`Caps`) and that engine's own (`GgufOptions`,
    `EchoOptions`, `ToyOptions`).

    Raises LocalError: BAD_SETTINGS for an unknown engine or option, MODEL_MISSING, ENGINE_FAILED where it cannot be
    imported.
    """
    opener, values = _OWN.get(name) or _foreign(name), dict(options or {})
    try:
        caps = Caps(**{cap: values.pop(cap) for cap in CAPS if cap in values})
        engine = await opener(values, data_dir)
        if caps != Caps():
            if not isinstance(engine, Slotted):
                await engine.close()
                raise LocalError(Code.BAD_SETTINGS, engine=name, reason="this engine takes no caps")
            engine.restrict(caps)
        return engine
    except TallystickError:
        raise
    except TypeError as error:
        raise LocalError(Code.BAD_SETTINGS, engine=name, reason=str(error)) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise LocalError(Code.ENGINE_FAILED, engine=name, kind=type(error).__name__, reason=str(error)[:200]) from error


def _foreign(name: str) -> Opener:
    for point in entry_points(group=GROUP, name=name):
        opener: Opener = point.load()
        return opener
    raise LocalError(Code.BAD_SETTINGS, engine=name, known=names())
