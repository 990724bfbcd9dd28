"""The pump: who is refused, who fails, who goes away, and what the others notice of it. The generator is the
reference's; where something must break, a small fault is put into it.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from tallystick_helper.engines.exl2.adapter import read_options
from tallystick_helper.engines.exl2.backend import Generator, Request
from tallystick_helper.engines.exl2.folder import Folder, read_folder
from tallystick_helper.engines.exl2.pump import Pump, Stream
from tallystick_helper.engines.exl2.ref import library
from tallystick_helper.engines.exl2.steps import Step, read_step
from tallystick_helper.engines.exl2.v2 import V2Backend
from tallystick_shared.errors import Code, LocalError, TallystickError
from tests.helper.exl2_models import write_clockwork

START = tuple(b"\n")


class Fragile(V2Backend):
    """The door to the reference, whose generator does `fault` before each iteration."""

    fault: Callable[[list[Any]], None] | None = None
    built = 0
    broken = False

    def build(self) -> Generator:
        if self.broken:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        self.built += 1
        generator = super().build()
        iterate = generator.iterate

        def faulty() -> list[Any]:
            results = iterate()
            if self.fault is not None:
                self.fault(results)
            return results

        generator.iterate = faulty  # type: ignore[method-assign]
        return generator


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return read_folder(write_clockwork(tmp_path_factory.mktemp("clockwork"), layers=1))


@pytest.fixture
def backend(folder: Folder) -> Fragile:
    options = read_options({"path": folder.path, "context": 512, "chunk": 256, "slots": 3, "cache_tokens": 1024})
    return Fragile(folder, options, lambda: library(1))


@pytest.fixture
async def pump(backend: Fragile, folder: Folder) -> AsyncIterator[Pump]:
    made = Pump(backend, "test", folder.text.size)
    await made.open()
    yield made
    await made.close()


async def read(stream: Stream) -> str:
    """All that a stream says."""
    text = ""
    try:
        while True:
            step = await stream.step()
            text += step.text
            if step.end:
                return text
    finally:
        await stream.close()


def request(most: int = 5, **more: Any) -> Request:
    return Request(START, most, temperature=0.0, **more)


def once(what: Callable[[list[Any]], None]) -> Callable[[list[Any]], None]:
    done: list[bool] = []

    def fault(results: list[Any]) -> None:
        if not done:
            done.append(True)
            what(results)

    return fault


def raising(_: list[Any]) -> None:
    raise RuntimeError("CUDA error: device-side assert triggered, prompt: a secret")


async def test_several_at_once(pump: Pump) -> None:
    streams = [pump.submit(request(most)) for most in (5, 7, 9, 11)]
    assert await asyncio.gather(*map(read, streams)) == ["abcde", "abcdefg", "abcdefghi", "abcdefghijk"]


async def test_a_request_that_the_library_refuses_fails_alone(pump: Pump, backend: Fragile) -> None:
    fine, refused = pump.submit(request(20)), pump.submit(request(5000))
    with pytest.raises(TallystickError) as caught:
        await read(refused)
    assert caught.value.code is Code.BAD_REQUEST
    assert await read(fine) == "abcdefghijklmnopqrst"
    assert backend.built == 1


async def test_a_schema_without_filters_is_refused(pump: Pump) -> None:
    with pytest.raises(TallystickError) as caught:
        await read(pump.submit(request(json_schema={})))
    assert caught.value.code is Code.UNSUPPORTED


async def test_an_iteration_that_raises_fails_what_runs_and_the_next_request_works(
    pump: Pump, backend: Fragile
) -> None:
    streams = [pump.submit(request(200)) for _ in range(2)]
    assert (await streams[0].step()).stage == "started"
    backend.fault = once(raising)
    for stream in streams:
        with pytest.raises(LocalError) as caught:
            await read(stream)
        assert caught.value.code is Code.ENGINE_FAILED
        assert "secret" not in str(caught.value.values)
    assert await read(pump.submit(request())) == "abcde"
    assert backend.built == 2


async def test_the_failed_generator_is_gone_before_the_new_one_is_built(pump: Pump, backend: Fragile) -> None:
    """Its cache fills a GPU: two of them fit nowhere."""
    alive: list[bool] = []
    first = weakref.ref(pump._generator)  # type: ignore[arg-type]
    build = backend.build

    def counted() -> Generator:
        gc.collect()
        alive.append(first() is not None)
        return build()

    backend.build = counted  # type: ignore[method-assign]
    stream = pump.submit(request(200))
    await stream.step()
    backend.fault = once(raising)
    with pytest.raises(LocalError):
        await read(stream)
    assert await read(pump.submit(request())) == "abcde"
    assert alive == [False]


async def test_where_it_cannot_be_built_again_each_request_tries(pump: Pump, backend: Fragile) -> None:
    stream = pump.submit(request(200))
    await stream.step()
    backend.broken = True
    backend.fault = once(raising)
    with pytest.raises(LocalError):
        await read(stream)
    with pytest.raises(LocalError) as caught:
        await read(pump.submit(request()))
    assert caught.value.code is Code.ENGINE_FAILED
    backend.broken = False
    assert await read(pump.submit(request())) == "abcde"


async def test_a_job_that_reports_an_error_fails_alone(pump: Pump, backend: Fragile) -> None:
    """As exllamav3 does it: a result of stage `error`, and the job is gone."""
    others, one = pump.submit(request(30)), pump.submit(request(30))
    failing: list[Any] = []

    def fail(results: list[Any]) -> None:
        if one.job is None or failing:
            return
        failing.append(one.job)
        one._pump._generator.cancel(one.job)  # type: ignore[union-attr]
        results[:] = [result for result in results if result["job"] is not one.job]
        results.append({"job": one.job, "stage": "error", "eos": True, "error": ValueError("NaN")})

    backend.fault = fail
    with pytest.raises(LocalError) as caught:
        await read(one)
    assert caught.value.values["kind"] == "ValueError"
    assert len(await read(others)) == 27  # a whole round, of which the last character is four tokens
    assert backend.built == 1


async def test_who_goes_away_leaves_the_batch(pump: Pump) -> None:
    first, second = pump.submit(request(400)), pump.submit(request(400))
    await first.step()
    await first.close()
    await first.close()
    third = asyncio.create_task(read(second))
    await asyncio.sleep(0)
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    assert pump._streams == {}
    assert await read(pump.submit(request())) == "abcde"


async def test_a_reader_that_breaks_off_cancels_its_job(pump: Pump) -> None:
    async def steps() -> AsyncIterator[Step]:
        stream = pump.submit(request(400))
        try:
            while True:
                yield await stream.step()
        finally:
            await stream.close()

    async with aclosing(steps()) as found:  # type: ignore[type-var]
        async for step in found:
            if step.text:
                break
    assert pump._streams == {}


async def test_closing_ends_everything_and_frees_the_model(backend: Fragile, folder: Folder) -> None:
    pump = Pump(backend, "test", folder.text.size)
    await pump.open()
    stream = pump.submit(request(400))
    await stream.step()
    await pump.close()
    with pytest.raises(LocalError) as caught:
        await read(stream)
    assert caught.value.code is Code.DRAINING
    with pytest.raises(LocalError):
        await read(pump.submit(request()))
    assert backend._model is None
    await pump.close()


async def test_a_model_that_cannot_be_loaded(backend: Fragile, folder: Folder) -> None:
    backend.broken = True
    pump = Pump(backend, "test", folder.text.size)
    with pytest.raises(RuntimeError, match="illegal memory"):
        await pump.open()
    await pump.close()
    assert backend._model is None


async def test_scopes_share_nothing_and_each_its_own(pump: Pump) -> None:
    async def reused(scope: bytes) -> int:
        stream = pump.submit(Request((*b"x" * 300, *START), 3, temperature=0.0, scope=scope))
        while not (step := await stream.step()).end:
            pass
        await stream.close()
        return step.reused

    found = [await reused(scope) for scope in (b"one", b"two", b"one", b"", b"")]
    assert found == [0, 0, 300, 0, 0]


def test_a_result_without_tensors() -> None:
    class Tensor(list[Any]):
        def tolist(self) -> list[Any]:
            return list(self)

    result = {"stage": "streaming", "eos": True, "eos_reason": "stop_string", "text": "a",
              "token_ids": [Tensor([97])], "held": {"text": "b"}, "cached_tokens": 256}  # fmt: skip
    assert read_step(result) == Step("streaming", "a", (97,), end="stop_string", reused=256)
    assert read_step({"stage": "error", "eos": True}).end == "error"
