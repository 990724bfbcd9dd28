"""`just gpu`: conformance and speed of the GPU engines, wherever a CUDA device is present.

Without one it says what is missing, in a sentence for each engine, and ends with 0. `--engine exl2_ref` runs the same
on the reference, which proves this script on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tallystick_helper.engines import open_engine
from tallystick_helper.engines.exl2.adapter import read_options
from tallystick_helper.engines.exl2.backend import Backend
from tallystick_helper.engines.exl2.diagnose import diagnose
from tallystick_helper.engines.exl2.folder import read_folder
from tests.gpu import models
from tests.gpu.contract import run
from tests.gpu.speed import measure

GPU = ("exl2", "exl3")


def main() -> int:
    """0 where nothing failed, also where nothing could be run; else pytest's code."""
    parser = argparse.ArgumentParser(prog="just gpu", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--engine", action="append", choices=[*GPU, "exl2_ref"], help="only this one; may be repeated")
    parser.add_argument("--tokens", type=int, default=256, help="tokens of each stream, for speed")
    parser.add_argument(
        "--streams", type=int, action="append", help="so many at once, for speed; 1, 4 and 8 if not said"
    )
    parser.add_argument("--no-speed", action="store_true", help="only the conformance suite")
    options, rest = parser.parse_known_args()
    code = 0
    for engine in options.engine or GPU:
        if missing := diagnose(engine):
            print(f"{engine}: not run. {missing}")
            continue
        with tempfile.TemporaryDirectory(prefix="tallystick-gpu-") as folder:
            code = code or check(engine, Path(folder), rest)
            if not options.no_speed:
                asyncio.run(speed(engine, Path(folder), options.tokens, options.streams or [1, 4, 8]))
    return code


def check(engine: str, folder: Path, arguments: list[str]) -> int:
    """The conformance suite, in a process of its own: an error of CUDA ends the context for good."""
    model = models.known(engine, folder)
    return run(
        Path(sys.executable),
        ["tests/gpu/check_engine.py", *arguments],
        TALLYSTICK_GPU_ENGINE=engine,
        TALLYSTICK_GPU_MODEL=str(model),
    )


async def speed(engine: str, folder: Path, tokens: int, streams: list[int]) -> None:
    """One line for each number of streams."""
    path = models.speaking(engine, folder)
    values = {"path": path, "context": 2048, "slots": 8, "ignore_eos": True, "threads": 1}
    read = read_folder(path)
    for count in streams:
        found = await measure(
            lambda: backend(engine)(path, values),
            lambda: open_engine(engine, values),
            read,
            count,
            tokens,
        )
        print(f"{engine}: {found}", flush=True)


def backend(engine: str) -> Callable[..., Backend]:
    """The door that the engine uses, without adapter and pump."""
    from tallystick_helper.engines.exl2 import ref, v2, v2_real, v3, v3_real

    def make(path: Path, values: dict[str, object]) -> Backend:
        folder, options = read_folder(path), read_options(values)
        if engine == "exl3":
            return v3.V3Backend(folder, options, v3_real.real)
        return v2.V2Backend(folder, options, (lambda: ref.library(1)) if engine == "exl2_ref" else v2_real.real)

    return make


if __name__ == "__main__":
    sys.exit(main())
