"""The machine's checks, on machines that are not this one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.doctor import Patient, State
from tallystick_helper.doctor.machine import GIB, MIB, Gpu, Here, accelerator, disk, python
from tallystick_helper.doctor.model import memory, model
from tallystick_helper.settings import Settings


@dataclass
class Other:
    """A machine as a test wants it."""

    cards: list[Gpu] = field(default_factory=list)
    kind: str = "ext4"
    room: int = 100 * GIB
    seconds: float = 0.002
    ram: tuple[int, int] = (8 * GIB, 16 * GIB)
    writable: bool = True

    def gpus(self) -> list[Gpu]:
        return self.cards

    def memory(self) -> tuple[int, int]:
        return self.ram

    def filesystem(self, folder: Path) -> str:
        return self.kind

    def free(self, folder: Path) -> int:
        return self.room

    def sync(self, folder: Path) -> float:
        if not self.writable:
            raise PermissionError(13, "Permission denied")
        return self.seconds


def patient(tmp_path: Path, machine: Other, **engine: object) -> Patient:
    settings = Settings.model_validate({"data_dir": tmp_path / "node", "engine": engine})
    return Patient(settings, NativeCrypto(), machine=machine)


@pytest.mark.parametrize(
    ("machine", "state"),
    [
        (Other(), State.OK),
        (Other(kind="tmpfs"), State.DOUBT),
        (Other(kind="nfs4"), State.BAD),
        (Other(room=GIB), State.DOUBT),
        (Other(room=MIB), State.BAD),
        (Other(seconds=0.5), State.DOUBT),
        (Other(writable=False), State.BAD),
    ],
)
async def test_disks(tmp_path: Path, machine: Other, state: State) -> None:
    found = await disk(patient(tmp_path, machine))
    assert found.state is state
    assert bool(found.mend) == (state is not State.OK)


async def test_this_machine(tmp_path: Path) -> None:
    here = Patient(Settings(data_dir=tmp_path / "node"), NativeCrypto())
    assert (await python(here)).state is State.OK
    assert (await accelerator(here)).state is State.OK
    found = await disk(here)
    assert found.values["sync_ms"] > 0 and found.values["free"] > 0
    assert list((tmp_path / "node").iterdir()) == []
    assert Here().filesystem(Path("/proc")) == "proc"


async def test_gpus_are_named_and_none_is_no_fault(tmp_path: Path) -> None:
    card = Gpu("Some GPU", 24 * GIB, 20 * GIB)
    assert "Some GPU with 20.0 of 24.0 GiB" in (await accelerator(patient(tmp_path, Other([card])))).says
    assert (await accelerator(patient(tmp_path, Other()))).state is State.OK


async def test_models_are_there_and_fit(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    options = {"kind": "exl2_ref", "options": {"path": str(tmp_path)}}
    assert (await model(patient(tmp_path, Other(), kind="gguf", options={"path": str(file)}))).state is State.BAD
    with file.open("wb") as opened:
        opened.truncate(5 * GIB)
    assert (await model(patient(tmp_path, Other(), **options))).state is State.OK
    assert (await memory(patient(tmp_path, Other(), **options))).state is State.OK
    assert (await memory(patient(tmp_path, Other(ram=(7 * GIB, 16 * GIB)), **options))).state is State.DOUBT
    assert (await memory(patient(tmp_path, Other(ram=(5 * GIB, 16 * GIB)), **options))).state is State.BAD
    missing = await model(patient(tmp_path, Other(), kind="exl2"))
    assert missing.state is State.BAD and missing.mend
