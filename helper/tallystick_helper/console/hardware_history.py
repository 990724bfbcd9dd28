"""A day of figures of this machine, in memory: a sample every few seconds, kept as means of a minute."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import psutil

from .. import hardware

EVERY = 5.0
"""Seconds between samples."""
STEP = 60
"""Seconds of one point."""
POINTS = 24 * 3600 // STEP
Figures = dict[str, float]


class HardwareHistory:
    """`extra` gives what the process itself tells: `units` made since its start, `running` and `waiting` requests."""

    def __init__(self, extra: Callable[[], Figures], now: Callable[[], float] = time.time) -> None:
        self._extra, self._now = extra, now
        self._points: deque[tuple[int, Figures]] = deque(maxlen=POINTS)
        self._minute, self._sums, self._count = 0, Figures(), 0
        self._units: tuple[float, float] | None = None
        self._latest = hardware.read()

    async def run(self) -> None:
        """Samples for ever."""
        while True:
            self.sample(await asyncio.to_thread(hardware.read), psutil.cpu_percent())
            await asyncio.sleep(EVERY)

    def sample(self, machine: hardware.Hardware, cpu: float) -> None:
        """Takes one sample in. `cpu` is the machine's load in percent."""
        self._latest = machine
        now = self._now()
        minute = int(now) // STEP
        if minute != self._minute:
            self._close()
            self._minute = minute
        for name, value in self._figures(machine, cpu, now).items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def _figures(self, machine: hardware.Hardware, cpu: float, now: float) -> Figures:
        used = machine.memory_total - machine.memory_available
        figures = {"cpu": cpu, "memory": 100 * used / max(1, machine.memory_total)}
        for gpu in machine.gpus:
            figures[f"gpu{gpu.index}_memory"] = 100 * gpu.memory_used / max(1, gpu.memory_total)
            for name in ("load", "temperature", "watts"):
                if (value := getattr(gpu, name)) is not None:
                    figures[f"gpu{gpu.index}_{name}"] = float(value)
        extra = self._extra()
        units = extra.pop("units")
        before, self._units = self._units, (now, units)
        if before is not None and now > before[0]:
            figures["rate"] = max(0.0, units - before[1]) / (now - before[0])
        return figures | extra

    def _close(self) -> None:
        if self._count:
            means = {name: round(total / self._count, 2) for name, total in self._sums.items()}
            self._points.append((self._minute * STEP, means))
        self._sums, self._count = {}, 0

    def values(self, most: int = 288) -> dict[str, Any]:
        """Now, and at most so many points of each figure: {at: [Unix seconds], series: {name: [value or null]}}. A
        point stands for the mean of those it takes the place of.
        """
        points = list(self._points)
        if self._count:
            running = {name: round(total / self._count, 2) for name, total in self._sums.items()}
            points.append((self._minute * STEP, running))
        width = max(1, -(-len(points) // most))
        groups = [points[at : at + width] for at in range(0, len(points), width)]
        names = sorted({name for _, figures in points for name in figures})
        series = {name: [_mean([figures.get(name) for _, figures in group]) for group in groups] for name in names}
        return {
            "now": self._latest.values(),
            "step": STEP * width,
            "at": [group[0][0] for group in groups],
            "series": series,
        }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 2) if known else None
