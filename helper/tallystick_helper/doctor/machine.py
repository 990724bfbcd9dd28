"""The machine's own checks: Python, accelerator, disk. `Machine` is the seat; `Here` is this one."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Protocol

import psutil

from .finding import Finding, bad, doubt, fine

if TYPE_CHECKING:
    from .patient import Patient

LEAST_PYTHON = (3, 11)
PROBES = 7
PAGE = 4096
MIB, GIB = 1 << 20, 1 << 30
LEAST_FREE, GOOD_FREE = 256 * MIB, 2 * GIB
SLOW_SYNC = 0.1
"""Seconds for one page to be on the disk: a voucher waits that long."""
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
OVER_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.s3fs"})


@dataclass(frozen=True)
class Gpu:
    """Its name; memory in bytes, in all and free."""

    name: str
    memory: int
    free: int


class Machine(Protocol):
    """What the checks ask of the machine they run on."""

    def gpus(self) -> list[Gpu]:
        """The NVIDIA GPUs that the driver shows; none where there is no driver."""

    def memory(self) -> tuple[int, int]:
        """Bytes that processes may still ask for, and in all."""

    def filesystem(self, folder: Path) -> str:
        """The kind of filesystem that a folder is on, as the system calls it; empty where it does not say."""

    def free(self, folder: Path) -> int:
        """Bytes free on the disk of a folder."""

    def sync(self, folder: Path) -> float:
        """Seconds that one page takes to be on the disk. Raises OSError."""


class Here:
    """This machine."""

    def gpus(self) -> list[Gpu]:
        from ..hardware import gpus

        return [Gpu(one.name, one.memory_total, one.memory_total - one.memory_used) for one in gpus()]

    def memory(self) -> tuple[int, int]:
        found = psutil.virtual_memory()
        return int(found.available), int(found.total)

    def filesystem(self, folder: Path) -> str:
        place = folder.resolve()
        kinds = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
        return next((kinds[above] for above in (place, *place.parents) if above in kinds), "")

    def free(self, folder: Path) -> int:
        return shutil.disk_usage(folder).free

    def sync(self, folder: Path) -> float:
        path = folder / f".probe.{os.getpid()}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            taken = []
            for _ in range(PROBES):
                start = time.perf_counter()
                os.write(descriptor, os.urandom(PAGE))
                os.fsync(descriptor)
                taken.append(time.perf_counter() - start)
        finally:
            os.close(descriptor)
            path.unlink()
        return median(taken)


async def python(patient: Patient) -> Finding:
    """The interpreter is new enough, and knows large numbers."""
    version, system = platform.python_version(), f"{platform.system()} {platform.machine()}"
    if sys.version_info < LEAST_PYTHON or sys.maxsize < 1 << 32:
        mend = "Install Tallystick with a 64-bit Python of version 3.11 or newer."
        return bad(f"Python {version} on {system} is too old.", mend, python=version, system=system)
    return fine(f"Python {version} on {system}.", python=version, system=system)


async def accelerator(patient: Patient) -> Finding:
    """What models can run on. No GPU is no fault."""
    gpus, cores = patient.machine.gpus(), os.cpu_count() or 1
    values = {"gpus": [vars(gpu) for gpu in gpus], "cores": cores}
    if not gpus:
        return fine(f"No NVIDIA GPU; models run on {cores} processor cores.", **values)
    named = ", ".join(f"{gpu.name} with {gpu.free / GIB:.1f} of {gpu.memory / GIB:.1f} GiB free" for gpu in gpus)
    return fine(f"{named}.", **values)


async def disk(patient: Patient) -> Finding:
    """Vouchers are money: the disk must keep what it was given, and have room."""
    folder, machine = patient.settings.data_dir, patient.machine
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        taken, free = machine.sync(folder), machine.free(folder)
    except OSError as error:
        mend = "Give it a folder that this user may write to, by --data-dir."
        return bad(f"Nothing can be written to {folder}: {error.strerror}.", mend)
    kind = machine.filesystem(folder)
    values = {"folder": str(folder), "filesystem": kind, "free": free, "sync_ms": round(taken * 1000, 3)}
    if kind in IN_MEMORY:
        mend = "Put the data directory on a disk (--data-dir): what is only in memory is gone after a power cut."
        return doubt(f"{folder} is in memory ({kind}), where no voucher outlives a restart.", mend, **values)
    if kind in OVER_NETWORK:
        mend = "Put the data directory on a disk of this machine (--data-dir)."
        return bad(f"{folder} is on another machine ({kind}), where the ledger can be damaged.", mend, **values)
    if free < LEAST_FREE:
        return bad(f"Only {free // MIB} MiB are free for {folder}.", "Make room on that disk.", **values)
    if free < GOOD_FREE:
        return doubt(f"Only {free / GIB:.1f} GiB are free for {folder}.", "Make room on that disk.", **values)
    if taken > SLOW_SYNC:
        mend = "Each payment waits for the disk: an SSD is better."
        return doubt(f"The disk takes {taken * 1000:.0f} ms to keep a page.", mend, **values)
    return fine(f"{free / GIB:.0f} GiB free, and a page is kept within {taken * 1000:.1f} ms.", **values)
