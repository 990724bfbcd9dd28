"""The embedded engine behind a paying node: many streams, low latency, cancels, swaps, and the node's own work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from tallystick_helper.chat import Answer, Conversation
from tallystick_helper.engines.bare import BareRun, bare_server, bare_stream
from tallystick_helper.engines.llama import GgufOptions
from tallystick_helper.logs import configure
from tallystick_helper.node.ticker import Ticker
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import TallystickError
from tallystick_shared.messages import decode
from tests.bench import sse
from tests.bench.live import Events, Line, Paying
from tests.bench.live_node import node
from tests.bench.row import Row, median, missing, pairwise, spread
from tests.bench.streams import RUNS, TOKENS, Visitor, prompt, visitor
from tests.bench.tokens import RATE
from tests.check.stack import demo
from tests.helper.world import Serving, new_world, serving, until

BARE = "bare engine"
FEW = 16
CANCEL_GOAL_MS = 250
STREAMS, SECONDS = 50, 8.0
Failure = (OSError, RuntimeError, ValueError, TallystickError, json.JSONDecodeError)


@contextlib.contextmanager
def engine_options(**options: Any) -> Iterator[None]:
    """For the demo that is started meanwhile."""
    name = "TALLYSTICK_ENGINE__OPTIONS"
    os.environ[name] = json.dumps(options)
    try:
        yield
    finally:
        del os.environ[name]


# -- many streams


async def _many(up: dict[str, Any], count: int) -> tuple[list[float], list[float]]:
    """Tokens a second of all streams together, by the node and by the bare engine, in turn."""
    ours, theirs = [], []
    options = GgufOptions(slots=8, ignore_eos=True)
    server = bare_server(options)
    try:
        with tempfile.TemporaryDirectory() as folder:
            keys = [bytes([20 + count + number]) * 32 for number in range(count)]
            users = [await visitor(up, key, Path(folder) / str(at), low_latency=False) for at, key in enumerate(keys)]
            for run in range(RUNS + 1):
                begun = time.perf_counter()
                answers = await asyncio.gather(
                    *(user.ask(prompt(run * count + at), TOKENS) for at, user in enumerate(users))
                )
                ours.append(together([(one.first_token or 0, one.arrivals[-1], one.output_units) for one in answers]))
                bare = await asyncio.gather(
                    *(
                        asyncio.to_thread(bare_stream, server, prompt(run * count + at), TOKENS, options)
                        for at in range(count)
                    )
                )
                theirs.append(together([(one.first_token_s, one.total_s, one.tokens) for one in bare]))
                assert time.perf_counter() > begun
            for user in users:
                await user.conversation.leave()
    finally:
        server.close()
    return ours[1:], theirs[1:]


def together(streams: list[tuple[float, float, int]]) -> float:
    """Tokens a second, from the first token of any to the last of all; each stream is (first, last, tokens)."""
    begun, ended = min(first for first, _, _ in streams), max(last for _, last, _ in streams)
    return sum(tokens for _, _, tokens in streams) / max(ended - begun, 1e-9)


def many_streams() -> list[Row]:
    """`tokens_4` and `tokens_8`: each user on a connection and a channel of its own, at the default shape."""
    rows = []
    for count in (4, 8):
        name = f"tokens_{count}"
        try:
            with engine_options(slots=8, ignore_eos=True), demo() as up:
                ours, theirs = asyncio.run(_many(up, count))
        except Failure as error:
            rows.append(missing(name, "tokens/s", BARE, "≥ 0.97", str(error) or repr(error)))
            continue
        ratio = pairwise(ours, theirs, lambda a, b: a / b)
        against = f"{BARE} {median(theirs):.1f}"
        rows.append(Row(name, median(ours), "tokens/s", against, ratio, "≥ 0.97", ratio >= 0.97, spread(ours)))
    return rows


# -- low latency


async def _fast(up: dict[str, Any]) -> tuple[list[Answer], list[BareRun]]:
    answers, bare = [], []
    server = bare_server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            user: Visitor = await visitor(up, bytes([9]) * 32, Path(folder), low_latency=True)
            for number in range(2 * RUNS + 1):
                answers.append(await user.ask(prompt(number), FEW))
                bare.append(await asyncio.to_thread(bare_stream, server, prompt(number), FEW))
            await user.conversation.leave()
    finally:
        server.close()
    return answers[1:], bare[1:]


def first_token_fast() -> list[Row]:
    """One row: the time to the first token where the user chose low latency."""
    name, goal = "first_token_fast", "≤ +50 ms"
    try:
        with demo() as up:
            answers, bare = asyncio.run(_fast(up))
    except Failure as error:
        return [missing(name, "ms", BARE, goal, str(error) or repr(error))]
    first = [1000 * (answer.first_token or 0.0) for answer in answers]
    floor = [1000 * run.first_token_s for run in bare]
    added = pairwise(first, floor, lambda a, b: a - b)
    return [Row(name, median(first), "ms", f"{BARE} {median(floor):.0f}", added, goal, added <= 50, spread(first))]


# -- the node's own work


async def _work_of(pid: int, connect: Callable[[int], Any]) -> float:
    """CPU seconds of a process for each 1,000 tokens, while so many streams run."""
    lines: list[Line] = [await connect(number) for number in range(STREAMS)]
    try:
        await asyncio.wait_for(asyncio.gather(*(line.live for line in lines)), 20)
        process = psutil.Process(pid)
        before, begun = sum(process.cpu_times()[:2]), time.monotonic()
        await asyncio.sleep(SECONDS)
        used, took = sum(process.cpu_times()[:2]) - before, time.monotonic() - begun
        return 1000 * used / (STREAMS * RATE * took)
    finally:
        for line in lines:
            if line.transport is not None:
                line.transport.abort()


async def _node_work(up: dict[str, Any]) -> float:
    loop, ticker = asyncio.get_running_loop(), Ticker()
    deposits = [decode(Deposit, bytes.fromhex(each)) for each in up["deposits"]]

    async def connect(number: int) -> Line:
        _, line = await loop.create_connection(lambda: Paying(up, deposits[number], ticker), "127.0.0.1", up["port"])
        return line

    try:
        return await _work_of(up["pid"], connect)
    finally:
        ticker.close()


async def _peer_work(server: sse.Server) -> float:
    loop = asyncio.get_running_loop()

    async def connect(number: int) -> Line:
        _, line = await loop.create_connection(Events, sse.HOST, server.port)
        return line

    return await _work_of(server.pid, connect)


def cpu_per_1k_tokens() -> list[Row]:
    """One row: CPU seconds of the node's process for 1,000 tokens of the synthetic engine."""
    name, goal, peer = "cpu_per_1k_tokens", "≤ 1.0", "a plain server of events"
    ours, theirs = [], []
    try:
        for _ in range(3):
            with sse.running() as server:
                theirs.append(asyncio.run(_peer_work(server)))
            with node(STREAMS) as up:
                ours.append(asyncio.run(_node_work(up)))
    except Failure as error:
        return [missing(name, "s", peer, goal, str(error) or repr(error))]
    ratio = pairwise(ours, theirs, lambda a, b: a / b)
    note = f"{STREAMS} streams of {RATE} tokens/s"
    against = f"{peer}: {median(theirs):.3g}"
    return [Row(name, median(ours), "s", against, ratio, goal, ratio <= 1.0, spread(ours), note)]


# -- cancels


@contextlib.asynccontextmanager
async def _gguf_node(**changes: Any) -> AsyncIterator[tuple[Serving, Conversation]]:
    configure("error")
    with tempfile.TemporaryDirectory() as folder:
        async with new_world(Path(folder)) as world, serving(world, **changes) as provider:
            conversation = await provider.conversation(await provider.deposit())
            await conversation.connect()
            yield provider, conversation
            await conversation.leave()


async def _cancels() -> tuple[list[float], list[float]]:
    """Milliseconds from the wish to the free slot, in the middle of an answer and of a prompt, beside two streams."""
    engine = {"kind": "gguf", "options": {"context": 2048, "ignore_eos": True}}
    long = "The quick brown fox jumps over the lazy dog. " * 120
    streaming, reading = [], []
    async with _gguf_node(engine=engine) as (provider, conversation):
        model, load, user = provider.node.engine.capabilities().model, provider.node.engine.load, conversation.user
        beside = [provider.node.engine.run(replace(_task(), max_units=2000)) for _ in range(2)]
        for number in range(RUNS):
            asked = conversation.ask([("user", prompt(number))], model, 500)
            await anext(asked)
            streaming.append(await _until_free(user.stop(2 * number + 1), lambda: load().running == 2))
            await asked.aclose()
            asked = conversation.ask([("user", f"{number} {long}")], model, 500)
            begun = asyncio.ensure_future(anext(asked))
            await until(lambda: load().running == 3, 30)
            reading.append(await _until_free(user.stop(2 * number + 2), lambda: load().running == 2))
            begun.cancel()
            await asyncio.gather(begun, return_exceptions=True)
        for run in beside:
            await run.aclose()
    return streaming, reading


def _task() -> Any:
    from tallystick_helper.engines.conformance import ask

    return ask(prompt(1))


async def _until_free(stop: Any, free: Callable[[], bool]) -> float:
    begun = time.perf_counter()
    await stop
    while not free():  # noqa: ASYNC110 - to the millisecond, and no event tells it
        await asyncio.sleep(0.001)
    return 1000 * (time.perf_counter() - begun)


def cancel_to_free_slot() -> list[Row]:
    """One row: the longest of ten cancels of a paying client, from its wish to the engine's free slot."""
    name, goal = "cancel_to_free_slot", f"≤ {CANCEL_GOAL_MS} ms"
    try:
        streaming, reading = asyncio.run(_cancels())
    except (*Failure, AssertionError) as error:
        return [missing(name, "ms", "", goal, str(error) or repr(error))]
    worst = max(streaming + reading)
    note = (
        f"median {median(streaming):.0f} ms in an answer, {median(reading):.0f} ms in a prompt; two streams beside it"
    )
    return [Row(name, worst, "ms", "", None, goal, worst <= CANCEL_GOAL_MS, spread(streaming + reading), note)]


# -- swaps


async def _swaps() -> tuple[list[float], int, int]:
    """Seconds to the first token of a model that is not loaded; requests and swaps of two models under load."""
    options = {"context": 1024, "slots": 2, "ignore_eos": True}
    models = {name: {"kind": "gguf", "options": options} for name in ("one", "two")}
    times = []
    async with _gguf_node(models=models, memory={"loaded": 1}) as (provider, conversation):
        engine: Any = provider.node.engine
        for number in range(2 * RUNS):
            async for part in conversation.ask([("user", prompt(number))], ("one", "two")[number % 2], FEW):
                if isinstance(part, Answer):
                    times.append(part.first_token or 0.0)
        before = engine.swaps
        other = await provider.conversation(await provider.deposit())
        await other.connect()
        answers = await asyncio.gather(*(_six(one, start) for one, start in ((conversation, 0), (other, 1))))
        await other.leave()
        return times[1:], sum(answers), engine.swaps - before


async def _six(conversation: Conversation, start: int) -> int:
    """Six answers of the two models in turn; each must be whole."""
    for number in range(start, start + 6):
        async for part in conversation.ask([("user", prompt(number))], ("one", "two")[number % 2], FEW):
            if isinstance(part, Answer) and part.output_units != FEW:
                raise RuntimeError(f"an answer of {part.output_units} tokens, {part.finish}")
    return 6


def _bare_swap() -> float:
    """Seconds to load the model anew and get its first token."""
    begun = time.perf_counter()
    options = GgufOptions(context=1024, slots=2, ignore_eos=True)
    server = bare_server(options)
    bare_stream(server, prompt(1), 1, options)
    taken = time.perf_counter() - begun
    server.close()
    return taken


def swap_two_models() -> list[Row]:
    """One row: the first token of a model that has to be loaded in another's place; none of twelve requests fails."""
    name, goal, floor = "swap_two_models", "≤ 2.0, no error", "loading it bare"
    try:
        bare = [_bare_swap() for _ in range(RUNS)]
        times, answered, swaps = asyncio.run(_swaps())
    except (*Failure, AssertionError) as error:
        return [missing(name, "s", floor, goal, str(error) or repr(error))]
    ratio = median(times) / median(bare)
    note = f"{answered} of 12 requests of two users for two models answered, with {swaps} swaps"
    ok = ratio <= 2.0 and answered == 12
    return [Row(name, median(times), "s", f"{floor} {median(bare):.2f}", ratio, goal, ok, spread(times), note)]
