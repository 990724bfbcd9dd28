"""What this machine and this process use now, and its GPUs where there are any. Nothing is said where there is none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import pynvml


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU: memory in bytes, load in percent, degrees Celsius, watts; None where its driver does not tell."""

    index: int
    name: str
    memory_total: int
    memory_used: int
    load: int | None = None
    temperature: int | None = None
    watts: float | None = None


@dataclass(frozen=True)
class Hardware:
    """Memory in bytes, CPU seconds of this process since its start, its resident bytes."""

    cores: int
    memory_total: int
    memory_available: int
    process_memory: int
    process_cpu: float
    gpus: tuple[Gpu, ...]

    def values(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "gpus": [asdict(gpu) for gpu in self.gpus]}


def read() -> Hardware:
    """Now. Takes a millisecond; with GPUs a few."""
    memory, process = psutil.virtual_memory(), psutil.Process()
    with process.oneshot():
        used, times = process.memory_info().rss, process.cpu_times()
    return Hardware(
        psutil.cpu_count() or 1,
        int(memory.total),
        int(memory.available),
        int(used),
        times.user + times.system,
        tuple(gpus()),
    )


def gpus() -> list[Gpu]:
    """Those that the driver shows; none where there is no driver."""
    found: list[Gpu] = []
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        try:
            found = [_gpu(index) for index in range(pynvml.nvmlDeviceGetCount())]
        finally:
            pynvml.nvmlShutdown()
    return found


def _gpu(index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory, name = pynvml.nvmlDeviceGetMemoryInfo(handle), pynvml.nvmlDeviceGetName(handle)
    load = temperature = watts = None
    with suppress(pynvml.NVMLError):
        load = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    with suppress(pynvml.NVMLError):
        temperature = int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    with suppress(pynvml.NVMLError):
        watts = pynvml.nvmlDeviceGetPowerUsage(handle) / 1000
    text = name.decode() if isinstance(name, bytes) else str(name)
    return Gpu(index, text, int(memory.total), int(memory.used), load, temperature, watts)
