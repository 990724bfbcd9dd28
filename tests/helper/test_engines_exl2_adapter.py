"""The adapter over the reference: the seat's promises, for `exl2_ref` as a provider opens it, and for the door to
exllamav2 with the settings of a machine with several GPUs. Everything is real but the library's kernels.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine, open_engine
from tallystick_helper.engines.conformance import EngineConformance, ask
from tallystick_helper.engines.exl2.adapter import open_exl, read_options
from tallystick_helper.engines.exl2.ref import library
from tallystick_helper.engines.exl2.v2 import V2Backend
from tests.helper.exl2_models import write_clockwork

pytestmark = pytest.mark.asyncio(loop_scope="module")
SIZES = {"context": 2048, "chunk": 256, "slots": 4, "queue": 2, "threads": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clockwork(tmp_path_factory.mktemp("clockwork"))


async def open_reference(folder: Path) -> Engine:
    """`exl2_ref`, opened by name."""
    return await open_engine("exl2_ref", {"path": folder, **SIZES})


async def open_adapter(folder: Path) -> Engine:
    """The door to exllamav2, with every setting that it knows."""
    values = {"path": folder, **SIZES, "cache": "q6", "gpu_split": (20.0, 24.0), "tensor_parallel": True}
    return await open_exl(
        "exl2",
        "exllamav2",
        lambda read, options: V2Backend(read, options, lambda: library(1)),
        read_options(values),
        None,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reference(folder: Path) -> AsyncIterator[Engine]:
    engine = await open_reference(folder)
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def adapter(folder: Path) -> AsyncIterator[Engine]:
    engine = await open_adapter(folder)
    yield engine
    await engine.close()


class _Conformance(EngineConformance):
    short = ask("Say the alphabet.")
    long = ask("The quick brown fox jumps over the lazy dog. " * 40)
    overflow = ask("The quick brown fox jumps over the lazy dog. " * 50)

    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path) -> None:
        self.folder = folder


class TestReference(_Conformance):
    async def open(self) -> Engine:
        return await open_reference(self.folder)

    @pytest.fixture
    def engine(self, reference: Engine) -> Engine:
        return reference


class TestAdapterOverTheReference(_Conformance):
    async def open(self) -> Engine:
        return await open_adapter(self.folder)

    @pytest.fixture
    def engine(self, adapter: Engine) -> Engine:
        return adapter
