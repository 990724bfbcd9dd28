"""From an installed program to the first paid request: the commands of docs/start/provide.md, copied as they stand."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tallystick_shared.errors import TallystickError
from tests.bench.row import Row, median, missing, spread
from tests.helper.test_start import Newcomer, commands, serves
from tests.helper.world import new_world

RUNS = 3
GOAL = 300.0
LAST = "tallystick doctor --paid"


async def _once() -> float:
    """Seconds until the first paid request is answered and acknowledged."""
    with tempfile.TemporaryDirectory() as folder:
        async with new_world(Path(folder)) as world:
            newcomer = Newcomer(world, Path(sys.executable).parent)
            started = time.perf_counter()
            try:
                for line in commands():
                    await newcomer.run(line)
                    if line.startswith("tallystick provide"):
                        await serves(newcomer)
                    if line.startswith(LAST):
                        return time.perf_counter() - started
            finally:
                newcomer.beside.kill()
                await newcomer.beside.wait()
    raise AssertionError(f"the page does not show {LAST}")


def newcomer() -> list[Row]:
    """Machine time without installing; nobody has to touch a file, and the wallet signs one transaction to register."""
    against = "nothing of the kind"
    try:
        taken = [asyncio.run(_once()) for _ in range(RUNS)]
    except (OSError, TallystickError, AssertionError) as error:
        return [missing("newcomer", "s", against, "≤ 300 s", str(error))]
    value = median(taken)
    return [Row("newcomer", value, "s", against, None, "≤ 300 s", value <= GOAL, spread(taken))]
