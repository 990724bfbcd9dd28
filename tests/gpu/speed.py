"""Tokens a second of the bare library and of the same library behind our seat, in turns, on one machine."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tallystick_helper.engines import Engine
from tallystick_helper.engines.conformance import ask, collect
from tallystick_helper.engines.exl2.backend import Backend, Request
from tallystick_helper.engines.exl2.folder import Folder

PROMPT = "Write a long story about a lighthouse keeper and the sea."
ROUNDS = 3


@dataclass(frozen=True)
class Speed:
    """Medians of `ROUNDS` runs, tokens a second over all streams together."""

    streams: int
    bare: float
    ours: float

    def __str__(self) -> str:
        return (
            f"{self.streams} streams: {self.bare:.1f} tokens/s bare, {self.ours:.1f} behind the seat "
            f"({self.ours / self.bare:.2f})"
        )


def bare(backend: Backend, folder: Folder, streams: int, tokens: int) -> float:
    """The library alone: jobs in, `iterate` until they are through."""
    generator = backend.build()
    ids = tuple(folder.prompt([("user", PROMPT)]))
    started = time.perf_counter()
    for index in range(streams):
        generator.enqueue(backend.job(Request(ids, tokens, temperature=0.0, scope=bytes([index + 1]))))
    made = 0
    while generator.num_remaining_jobs():
        made += sum(int(result["new_tokens"]) for result in generator.iterate() if result.get("eos"))
    return made / (time.perf_counter() - started)


async def ours(engine: Engine, streams: int, tokens: int) -> float:
    """The same through the adapter, the pump and the seat."""
    started = time.perf_counter()
    runs = [engine.run(ask(PROMPT, tokens, bytes([index + 1]), temperature=0.0)) for index in range(streams)]
    ends = await asyncio.gather(*map(collect, runs))
    return sum(finish.units for _, finish in ends) / (time.perf_counter() - started)


async def measure(
    make: Callable[[], Backend], open_engine: Callable[[], Any], folder: Folder, streams: int, tokens: int
) -> Speed:
    """Loads the model twice, one after the other, so that both never share the memory of a GPU."""
    backend = make()
    backend.load()
    alone = [bare(backend, folder, streams, tokens) for _ in range(ROUNDS)]
    backend.unload()
    engine = await open_engine()
    behind = [await ours(engine, streams, tokens) for _ in range(ROUNDS)]
    await engine.close()
    return Speed(streams, statistics.median(alone), statistics.median(behind))
