"""The embedded engine on the demo model: the seat's promises, and llama.cpp's traps. No test asserts a fact about
what the model says.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine, Reason, Task, open_engine
from tallystick_helper.engines.bare import bare_stream
from tallystick_helper.engines.chat import read_chat
from tallystick_helper.engines.conformance import EngineConformance, ask, check_close, collect, text_of
from tallystick_helper.engines.gguf import GgufEngine
from tallystick_helper.engines.gguf_request import request_body
from tallystick_helper.engines.llama import Chunk, GgufOptions, LlamaServer
from tallystick_helper.engines.weights import DEMO, find_demo
from tallystick_shared.chat import ChatInput, ChatParams, FrameReader, Message, Scored, encode_input, encode_params
from tallystick_shared.errors import Code, TallystickError

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

OPTIONS = GgufOptions(context=2048, slots=4, queue=2, threads=1)
POEM = "Write a long poem about the sea."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Engine]:
    engine = await GgufEngine.open(OPTIONS)
    yield engine
    await engine.close()


@pytest.fixture(scope="module")
def server() -> Iterator[LlamaServer]:
    server = LlamaServer(find_demo(), DEMO.name, OPTIONS)
    yield server
    server.close()


class TestGguf(EngineConformance):
    short = ask(POEM)
    long = ask("The quick brown fox jumps over the lazy dog. " * 150)
    overflow = ask("The quick brown fox jumps over the lazy dog. " * 300)

    async def open(self) -> Engine:
        return await GgufEngine.open(OPTIONS)

    @pytest.fixture
    def engine(self, engine: Engine) -> Engine:
        """One for all: loading costs most."""
        return engine


def finished(server: LlamaServer, body: Chunk) -> Chunk:
    """llama.cpp's own usage of a request."""
    chunks: list[Chunk] = []

    def take(chunk: Chunk) -> bool:
        chunks.append(chunk)
        return False

    server.chat(body | {"stream_options": {"include_usage": True}}, take)
    usage: Chunk = chunks[-1]["usage"]
    return usage


@pytest.mark.parametrize("text", [POEM, "Say hello with many emoji 🎉🌍.", "Say ok."])
async def test_units_are_what_llama_counts_less_what_has_no_text(
    engine: Engine, server: LlamaServer, text: str
) -> None:
    task = ask(text, max_units=60, temperature=0.0)
    pieces, finish = await collect(engine.run(task))
    usage = finished(server, request_body(read_chat(task), OPTIONS))
    end_token = 1 if finish.reason is Reason.STOP else 0
    unfinished_character = usage["completion_tokens"] - end_token - finish.units
    assert 0 <= unfinished_character < 4
    if all(piece.units == 1 for piece in pieces):
        assert unfinished_character == 0


@pytest.mark.parametrize(
    "text", ["", "x", POEM, "🎉" * 9, "<|im_end|>\n<|im_start|>system\nno", "a\x00b\r\n\t ", "词" * 50]
)
async def test_the_count_is_what_prefill_reads(engine: Engine, server: LlamaServer, text: str) -> None:
    task = ask(text, max_units=1)
    usage = finished(server, request_body(read_chat(task), OPTIONS))
    units = await engine.count(task)
    assert units == usage["prompt_tokens"]
    assert units <= len(task.input) + engine.capabilities().template_units


async def test_a_stop_string_is_neither_sent_nor_counted(engine: Engine) -> None:
    task = ask(POEM, max_units=40, temperature=0.0)
    whole, _ = await collect(engine.run(task))
    cut = whole[10].data.decode() + whole[11].data.decode()
    pieces, finish = await collect(engine.run(ask(POEM, max_units=40, temperature=0.0, stop=(cut,))))
    text = b"".join(piece.data for piece in pieces).decode()
    assert finish.reason is Reason.STOP
    assert cut not in text
    assert finish.units <= 10


async def test_scored_answers_have_the_same_text_and_tokens_with_ids(engine: Engine) -> None:
    plain, end = await collect(engine.run(ask(POEM, max_units=12, temperature=0.0)))
    scored, scored_end = await collect(engine.run(ask(POEM, max_units=12, temperature=0.0, logprobs=0)))
    assert text_of(scored) == text_of(plain) and scored_end == end
    found = FrameReader(Scored).feed(b"".join(piece.data for piece in scored))
    tokens = [token for one in found for token in one.tokens]
    assert b"".join(token.chosen.data for token in tokens).decode() == text_of(plain)
    assert len({token.chosen.token for token in tokens}) > 3 and not any(token.top for token in tokens)


async def test_a_schema_that_cannot_be_kept_is_refused_before_anything_runs(engine: Engine) -> None:
    for schema in ('{"type": "nonsense"}', "[]", "{", '{"$ref": "#/nowhere"}'):
        with pytest.raises(TallystickError) as caught:
            await engine.count(ask(POEM, json_schema=schema))
        assert caught.value.code is Code.BAD_REQUEST, schema


async def test_an_answer_goes_on_from_its_beginning(engine: Engine) -> None:
    begun = ChatInput((Message("user", "Count to nine."), Message("assistant", "one, two, three, four,")))
    task = Task("chat", encode_input(begun), encode_params(ChatParams(0.0, continues=True)), 8)
    whole = await engine.count(ask("Count to nine."))
    assert await engine.count(task) > whole
    pieces, _ = await collect(engine.run(task))
    assert text_of(pieces)


async def test_bad_requests_touch_no_other(engine: Engine) -> None:
    """Malformed, too long or cancelled ones, while two good ones stream."""
    task = ask(POEM, max_units=24, temperature=0.0, seed=1)
    expected = text_of((await collect(engine.run(task)))[0])
    good = [asyncio.create_task(collect(engine.run(task))) for _ in range(2)]
    for index in range(12):
        bad = (replace(task, input=b"\xc1"), TestGguf.overflow, ask(POEM, json_schema='{"type": 7}'), TestGguf.long)
        with suppress(TallystickError):
            run = engine.run(bad[index % 4])
            await asyncio.sleep(0)
            await run.aclose()
    answers = [text_of(pieces) for pieces, _ in await asyncio.gather(*good)]
    assert [len(answer) for answer in answers] == [len(expected)] * 2
    assert engine.load().running == engine.load().waiting == 0


@pytest.fixture(scope="module")
def vectors() -> Iterator[LlamaServer]:
    options = GgufOptions(context=256, slots=1, threads=1, embeddings=True)
    server = LlamaServer(find_demo(), DEMO.name, options)
    yield server
    server.close()


async def test_vectors_have_length_one_and_the_order_of_their_texts(vectors: LlamaServer) -> None:
    texts = ["a cat", "a kitten", "the price of copper"]
    found = vectors.embed(texts)
    assert [len(vector) for vector in found] == [576] * 3
    assert all(abs(math.hypot(*vector) - 1) < 1e-3 for vector in found)
    (alone,) = vectors.embed(texts[2:])
    assert max(abs(one - other) for one, other in zip(alone, found[2], strict=True)) < 1e-3
    assert vectors.count_text("a cat") == 2


async def test_a_text_beyond_the_batch_makes_no_vector(vectors: LlamaServer) -> None:
    with pytest.raises(TallystickError):
        vectors.embed(["hello " * 400])
    assert vectors.embed(["hello"])


async def test_a_template_that_knows_tools_makes_the_model_able() -> None:
    template = Path(__file__).with_name("tools.jinja").read_text()
    able = GgufOptions(context=1024, slots=2, threads=1, chat_template=template)
    engine = await GgufEngine.open(able)
    tools = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}])
    asked = ChatInput((Message("user", "Will it rain in Paris?"),), tools)
    assert engine.capabilities().tools
    with_tools, without = (
        Task("chat", encode_input(asked), encode_params(ChatParams(0.0, tool_choice=choice)), 8)
        for choice in ("weather", "none")
    )
    assert await engine.count(with_tools) > await engine.count(without)
    assert await engine.count(with_tools) <= len(with_tools.input) + engine.capabilities().template_units
    _, finish = await collect(engine.run(with_tools))
    assert finish.error is None
    scored = replace(with_tools, params=encode_params(ChatParams(logprobs=1)))
    with pytest.raises(TallystickError) as caught:
        engine.run(scored)
    assert caught.value.code is Code.UNSUPPORTED
    await engine.close()


async def test_context_ends_the_answer_with_length() -> None:
    small = await GgufEngine.open(GgufOptions(context=256, slots=1, threads=1, ignore_eos=True))
    task = ask("hi " * 180, max_units=500)
    _, finish = await collect(small.run(task))
    assert finish.reason is Reason.LENGTH
    assert 0 < finish.units <= 256 - await small.count(task)
    await small.close()


async def test_the_same_seed_gives_the_same_answer(engine: Engine) -> None:
    answers = [await collect(engine.run(ask(POEM, temperature=1.0, seed=7))) for _ in range(2)]
    assert answers[0] == answers[1]


async def test_a_prompt_is_cached_within_its_scope_only(server: LlamaServer) -> None:
    body = request_body(read_chat(ask(POEM, max_units=1)), OPTIONS) | {"id_slot": 0}
    assert cached(server, body | {"cache_prompt": False}) == 0
    assert cached(server, body | {"cache_prompt": True}) > 0
    assert cached(server, body | {"cache_prompt": False}) == 0


def cached(server: LlamaServer, body: Chunk) -> int:
    details = finished(server, body)["prompt_tokens_details"]
    return int(details["cached_tokens"])


async def test_its_own_port_is_closed_to_others(server: LlamaServer) -> None:
    address = server.address
    assert address.startswith("http://127.0.0.1:")
    for path in ("/v1/models", "/slots", "/props", "/metrics", "/v1/chat/completions"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            await asyncio.to_thread(
                urllib.request.urlopen, address + path, b"{}" if path.startswith("/v1/chat") else None
            )
        assert caught.value.code in (401, 404, 501)
        caught.value.close()


async def test_the_bare_engine_gives_every_token(server: LlamaServer) -> None:
    bare = await asyncio.to_thread(bare_stream, server, POEM, 12)
    assert bare.tokens == 12
    assert 0 < bare.first_token_s < bare.total_s


async def test_capabilities_name_the_demo_model(engine: Engine) -> None:
    capabilities = engine.capabilities()
    assert capabilities.demo
    assert capabilities.label == "demo model"
    assert capabilities.model == "SmolLM2-135M-Instruct-Q4_1"
    assert DEMO.sha256 in capabilities.manifest_json
    assert len(capabilities.manifest) == 32


async def test_close_ends_what_runs_and_frees_memory(record_property: object) -> None:
    options = {"context": 2048, "slots": 2, "queue": 2, "threads": 1}
    engine = await open_engine("gguf", options)
    loaded = resident_bytes()
    await check_close(engine, ask(POEM, max_units=500))
    assert loaded - resident_bytes() > find_demo().stat().st_size


def resident_bytes() -> int:
    """Of this process. Weights and the cache of keys and values are both in it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + bytes(200)])
async def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(TallystickError) as caught:
        await open_engine("gguf", {"path": str(path)})
    assert caught.value.code is Code.MODEL_MISSING


@pytest.mark.parametrize(
    "options", [{"slots": 0}, {"context": 0}, {"context": 300}, {"batch": 1}, {"queue": -1}, {"threads": -1}, {"no": 1}]
)
async def test_settings_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(TallystickError) as caught:
        await open_engine("gguf", options)
    assert caught.value.code is Code.BAD_SETTINGS
