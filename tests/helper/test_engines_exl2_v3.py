"""The door to exllamav3, over the reference under that library's names."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine
from tallystick_helper.engines.conformance import EngineConformance, ask, collect, first_piece, text_of
from tallystick_helper.engines.exl2.adapter import open_exl, read_options
from tallystick_helper.engines.exl2.backend import Request
from tallystick_helper.engines.exl2.folder import read_folder
from tallystick_helper.engines.exl2.v3 import V3Backend
from tests.helper import exl2_like_v3
from tests.helper.exl2_models import write_clockwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clockwork(tmp_path_factory.mktemp("clockwork"))


class NoSchemas(V3Backend):
    """The reference has no filters, so the suite is told so."""

    json_schema = False


async def open_like_v3(folder: Path) -> Engine:
    values = {"path": folder, "context": 2048, "chunk": 256, "slots": 4, "queue": 2, "cache": "q8"}
    return await open_exl(
        "exl3",
        "exllamav3",
        lambda read, options: NoSchemas(read, options, exl2_like_v3.library),
        read_options(values),
        None,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def like_v3(folder: Path) -> AsyncIterator[Engine]:
    engine = await open_like_v3(folder)
    yield engine
    await engine.close()


class TestLikeV3(EngineConformance):
    short = ask("Say the alphabet.")
    long = ask("The quick brown fox jumps over the lazy dog. " * 40)
    overflow = ask("The quick brown fox jumps over the lazy dog. " * 50)

    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path) -> None:
        self.folder = folder

    async def open(self) -> Engine:
        return await open_like_v3(self.folder)

    @pytest.fixture
    def engine(self, like_v3: Engine) -> Engine:
        return like_v3


def loaded(folder: Path, seen: list[Any] | None = None, **values: Any) -> V3Backend:
    options = read_options({"path": folder, "context": 512, "chunk": 256, "slots": 2, **values})
    backend = V3Backend(read_folder(folder), options, lambda: exl2_like_v3.library(seen))
    backend.load()
    return backend


async def test_building_anew_loads_anew(folder: Path) -> None:
    """Its cache belongs to one generator, and is made before the weights are loaded."""
    backend = loaded(folder)
    first = backend.build()
    model = backend._model
    assert backend.build() is not first
    assert backend._model is not model
    backend.unload()
    backend.unload()


@pytest.mark.parametrize(("cache", "bits"), [("fp16", 0), ("q8", 8), ("q4", 4)])
async def test_cache_and_gpus(folder: Path, cache: str, bits: int) -> None:
    backend = loaded(folder, cache=cache, gpu_split=[10, 12.5], tensor_parallel=True)
    assert backend._model.loaded == {"use_per_device": [10, 12.5], "tensor_p": True}
    wanted = ("quantised", {"k_bits": bits, "v_bits": bits}) if bits else (None, {})
    assert backend._cache.kind == wanted
    backend.unload()


async def test_a_vector_for_salt_is_not_taken_for_an_image(folder: Path) -> None:
    backend = loaded(folder)
    assert backend._model.caps["mrope"] is False
    request = Request((10, 11), 3, scope=b"one")
    first, again = backend.job(request), backend.job(request)
    other = backend.job(Request((10, 11), 3, scope=b"two"))
    assert first.sequence[0] == again.sequence[0] != other.sequence[0]
    assert first.sequence[1:] == other.sequence[1:] == [11]
    backend.unload()


async def test_a_schema_becomes_a_filter(folder: Path) -> None:
    seen: list[Any] = []
    backend = loaded(folder, seen, shared_cache=True)
    for schema, begun in (({"type": "array"}, ""), ({}, ""), ({}, '{"a":1')):
        with pytest.raises(ValueError):  # the reference has no filters
            backend.job(Request((10,), 3, json_schema=schema, begun=begun))
    assert seen == [({"type": "array"}, None), ({"type": "object"}, None), ({"type": "object"}, '{"a":1')]
    assert backend.job(Request((10,), 3)).sequence == [10]
    backend.unload()


async def test_a_seed_goes_on_where_an_earlier_job_left_it(folder: Path) -> None:
    backend, plain = loaded(folder, shared_cache=True), random.Random(3)
    job = backend.job(Request((10, 97, 98), 3, seed=3, drawn=2, begun="ab"))
    assert [plain.random() for _ in range(2)] and job.rng.getstate() == plain.getstate()
    backend.unload()


async def test_after_a_wait_for_money_a_schema_goes_on_from_what_was_said(folder: Path) -> None:
    """Its filter would otherwise allow another beginning: `{"a":1{`."""
    asked: list[Request] = []

    class Listens(V3Backend):
        def job(self, request: Request) -> Any:
            asked.append(request)
            return super().job(replace(request, json_schema=None))  # the reference has no filters

    values = {"path": folder, "context": 2048, "chunk": 256, "slots": 4, "queue": 2}
    engine = await open_exl(
        "exl3", "exllamav3", lambda read, o: Listens(read, o, exl2_like_v3.library), read_options(values), None
    )
    run = engine.run(replace(ask("Say it.", max_units=30, json_schema='{"type": "object"}', seed=3), scope=b"one"))
    run.gate = lambda units: run.made + units <= 7
    said = [await first_piece(run) for _ in range(7)]
    while engine._pump._streams:
        await engine.count(ask("Another."))
    run.gate = None
    run.look()
    pieces, finish = await collect(run)
    first, *_, last = asked
    assert first.begun == "" and first.drawn == 0 and len(asked) == 2
    assert last.json_schema is not None and last.seed == 3
    assert last.begun.startswith(text_of(said)) and (text_of(said) + text_of(pieces)).startswith(last.begun)
    assert last.drawn == len(last.ids) - len(first.ids) == len(last.begun)
    assert finish.error is None
    await engine.close()
