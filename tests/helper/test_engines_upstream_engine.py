"""What the engine makes of a server that behaves badly: each fault is one clear error, and what came is counted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick_helper.engines import Finish, Load, Piece, Reason, open_engine
from tallystick_helper.engines.conformance import ask, collect, first_piece, text_of
from tallystick_helper.engines.upstream import UpstreamEngine, UpstreamOptions
from tallystick_shared.errors import Code, TallystickError

from .hostile_upstream import (
    END,
    Act,
    HostileUpstream,
    delta,
    dropped,
    events,
    hanging,
    hostile_upstream,
    said,
    status,
)
from .world import until

HELLO = ask("hello")


@pytest.fixture
async def server() -> AsyncIterator[HostileUpstream]:
    async with hostile_upstream() as started:
        yield started


@contextlib.asynccontextmanager
async def opened(server: HostileUpstream, **options: Any) -> AsyncIterator[UpstreamEngine]:
    usual: dict[str, Any] = {"slots": 2, "queue": 1, "json_schema": False, "logprobs": False, "patience": 2.0}
    engine = await UpstreamEngine.open(UpstreamOptions(url=server.url, **usual | options))
    try:
        yield engine
    finally:
        await engine.close()


async def answered(server: HostileUpstream, *acts: Act, **options: Any) -> tuple[list[Piece], Finish]:
    """One request, and how the server answers it."""
    async with opened(server, **options) as engine:
        server.script.extend(acts)
        return await collect(engine.run(HELLO))


ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]}
USAGE = {"choices": [], "usage": {"completion_tokens": 999}}
ODD: dict[str, Act] = {
    "as usual": said("Hello", " there"),
    "CRLF": events(ROLE, delta("Hello"), delta(" there"), END, newline="\r\n"),
    "CR alone": events(delta("Hello"), delta(" there"), END, newline="\r"),
    "comments, names and ids": events(
        b": keep alive\n\n", b"event: message\nid: 7\nretry: 10\n", delta("Hello"), b":\n\n", delta(" there"), END
    ),
    "no space, no [DONE]": events(
        b'data:{"choices":[{"delta":{"content":"Hello there"}}]}\n\n',
        b'data:{"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
        done=False,
    ),
    "no finish reason": events(ROLE, delta("Hello"), delta(" there")),
    "empty and null between": events(ROLE, delta("Hello"), delta(""), ROLE, delta(" there"), END, USAGE),
    "usage that lies": events(delta("Hello"), delta(" there", usage={"completion_tokens": 70}), END, USAGE),
    "content in parts": events(
        {"choices": [{"delta": {"content": [{"type": "text", "text": "Hello"}, {"type": "image_url"}]}}]},
        {"choices": [{"delta": {"content": [{"type": "text", "text": " there"}]}, "finish_reason": "eos"}]},
    ),
    "a choice that nobody asked for": events(
        delta("Hello"), {"choices": [{"index": 1, "delta": {"content": "Hey"}}]}, delta(" there"), END
    ),
    "a document for a stream": status(
        200,
        {"choices": [{"message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}]},
        Content_Type="application/json",
    ),
    "texts, not deltas": events({"choices": [{"text": "Hello"}]}, {"choices": [{"text": " there"}]}, END),
    "an empty error beside": events({**delta("Hello"), "error": None}, delta(" there"), END),
    "data over two lines": events(b'data: {"choices":[{"delta":\ndata: {"content":"Hello there"}}]}\n\n', END),
    "said no more after the end": events(delta("Hello"), delta(" there"), END, b"data: nonsense\n\n", done=False),
}


@pytest.mark.parametrize("name", ODD)
async def test_odd_shapes_are_one_answer(server: HostileUpstream, name: str) -> None:
    pieces, finish = await answered(server, ODD[name])
    assert (text_of(pieces), finish.reason, finish.error) == ("Hello there", Reason.STOP, None)
    assert 1 <= finish.units == len(pieces) <= 2


async def test_reasoning_is_kept_apart(server: HostileUpstream) -> None:
    thought = [
        {"choices": [{"delta": {"reasoning_content": "Hm", "reasoning": "Hm"}}]},
        {"choices": [{"delta": {"thinking": "."}}]},
    ]
    pieces, finish = await answered(server, events(*thought, delta("Hello"), END))
    assert [(piece.data, piece.kind) for piece in pieces] == [(b"Hm", 1), (b".", 1), (b"Hello", 0)]
    assert finish.units == 3


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (dropped(delta("Hello"), delta(" there")), Code.ENGINE_FAILED),
        (events(delta("Hello"), delta(" there"), done=False), Code.ENGINE_FAILED),
        (hanging(delta("Hello"), delta(" there")), Code.ENGINE_FAILED),
        (hanging(delta("Hello"), delta(" there"), comments=True), Code.ENGINE_FAILED),
        (events(delta("Hello"), delta(" there"), {"error": {"message": "hello", "code": 500}}), Code.ENGINE_FAILED),
        (events(delta("Hello"), delta(" there"), {"error": "hello"}), Code.ENGINE_FAILED),
        (events(delta("Hello"), delta(" there"), b"data: {broken\n\n"), Code.ENGINE_FAILED),
        (events(delta("Hello"), delta(" there"), b"data: [1, 2]\n\n"), Code.ENGINE_FAILED),
        (events(delta("Hello"), delta(" there"), b"data: " + bytes(2 << 20)), Code.ENGINE_FAILED),
        (events(delta("Hello"), delta(" there"), delta("", finish_reason="abort")), Code.ENGINE_FAILED),
        (events(delta("Hello"), delta(" there"), {"error": {"message": "x", "code": 429}}), Code.BUSY),
    ],
)
async def test_a_fault_in_the_middle_counts_what_was_delivered(server: HostileUpstream, act: Act, code: Code) -> None:
    pieces, finish = await answered(server, act, next_timeout=0.3)
    assert text_of(pieces) == "Hello there"
    assert (finish.reason, finish.units) == (Reason.ERROR, 2)
    assert finish.error is not None and finish.error.code is code
    assert "hello" not in str(finish.error)
    assert len(server.seen) == 2 or server.seen[2]["max_tokens"] == 1  # it is not begun a second time: only probed


@pytest.mark.parametrize(
    "first",
    [
        dropped(),
        dropped(ROLE),
        status(500, {"error": {"message": "no"}}),
        status(502, b"<html>Bad Gateway</html>"),
        events(ROLE, {"error": {"message": "worker died", "code": 500}}),
        events(ROLE, done=False),
        status(200, b"<html>Welcome</html>", Content_Type="text/html"),
    ],
)
async def test_what_failed_before_anything_came_is_begun_again(server: HostileUpstream, first: Act) -> None:
    pieces, finish = await answered(server, first, probe_interval=600)
    assert (text_of(pieces), finish.reason) == ("Hello there", Reason.STOP)


async def test_a_crowded_server_is_waited_for(server: HostileUpstream) -> None:
    full = [status(429, {"error": {"message": "slow down"}}, Retry_After="0.2"), status(503, b"")]
    async with opened(server, patience=5.0) as engine:
        server.script.extend(full)
        run = engine.run(HELLO)
        await until(engine.busy)
        with pytest.raises(TallystickError) as caught:
            engine.run(HELLO)
        assert caught.value.code is Code.BUSY and caught.value.values["retry_after_ms"] > 0
        with pytest.raises(TallystickError) as caught:
            await engine.count(HELLO)
        assert caught.value.code is Code.BUSY
        assert engine.load().wait_ms > 0 and replace(engine.load(), wait_ms=0) == Load(2, 1, 1, 0)
        pieces, _ = await collect(run)
        assert text_of(pieces) == "Hello there"
        assert not engine.busy()


async def test_patience_ends_with_when_to_come_back(server: HostileUpstream) -> None:
    server.usual = said("x")
    pieces, finish = await answered(server, status(429, b"", Retry_After="30"))
    assert pieces == [] and finish.reason is Reason.ERROR and finish.error is not None
    assert (finish.error.code, finish.error.values["retry_after_ms"]) == (Code.BUSY, 30_000)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (status(400, {"error": {"message": "bad: hello", "type": "invalid_request_error"}}), Code.BAD_REQUEST),
        (
            status(422, {"detail": [{"loc": ["body"], "msg": "hello is wrong", "type": "value_error"}]}),
            Code.BAD_REQUEST,
        ),
        (
            status(400, {"object": "error", "message": "This model's maximum context length is 9 tokens", "code": 400}),
            Code.PROMPT_TOO_LONG,
        ),
        (status(401, {"error": {"message": "Invalid API Key"}}), Code.ENGINE_FAILED),
        (status(404, {"error": "model 'scripted' not found"}), Code.ENGINE_FAILED),
        (status(307, b"", Location="http://192.0.2.1/"), Code.ENGINE_FAILED),
        (hanging(), Code.ENGINE_FAILED),
        (hanging(comments=True), Code.ENGINE_FAILED),
    ],
)
async def test_what_cannot_work_is_not_tried_again(server: HostileUpstream, act: Act, code: Code) -> None:
    pieces, finish = await answered(server, act, first_timeout=0.3)
    assert pieces == [] and finish.reason is Reason.ERROR and finish.error is not None
    assert finish.error.code is code
    assert "hello" not in str(finish.error)
    assert [body["max_tokens"] for body in server.seen if body["max_tokens"] > 1] == [24]


async def test_a_server_that_gives_more_than_was_asked_for_is_cut(server: HostileUpstream) -> None:
    pieces, finish = await answered(server, hanging(*(delta(f" {at}") for at in range(60))))
    assert (len(pieces), finish.reason, finish.units) == (24, Reason.LENGTH, 24)
    await until(lambda: server.open == 0)  # the connection was closed: nobody there makes tokens for nothing


async def test_a_giant_delta_is_cut_into_pieces(server: HostileUpstream) -> None:
    pieces, finish = await answered(server, events(delta("é" * 5000), END))
    assert text_of(pieces) == "é" * 5000
    assert all(len(piece.data) <= 4096 for piece in pieces)
    assert finish.units == len(pieces) == 5


async def test_half_a_character_is_no_crash(server: HostileUpstream) -> None:
    pieces, _ = await answered(server, events(rb'data: {"choices":[{"delta":{"content":"a\ud83d"}}]}' + b"\n\n", END))
    assert text_of(pieces) == "a\N{REPLACEMENT CHARACTER}"


async def test_cancel_closes_the_connection(server: HostileUpstream) -> None:
    async with opened(server) as engine:
        server.script.append(hanging(delta("Hello")))
        run = engine.run(HELLO)
        await first_piece(run)
        assert server.open == 1
        await run.aclose()
        await until(lambda: server.open == 0)


async def test_a_server_that_is_down_is_told_of_and_comes_back(server: HostileUpstream) -> None:
    async with opened(server, probe_interval=600) as engine:
        server.usual = status(500, {"error": {"message": "CUDA error", "type": "InternalServerError"}})
        _, finish = await collect(engine.run(HELLO))
        assert finish.error is not None and finish.error.code is Code.ENGINE_FAILED
        await until(lambda: replace(engine.load(), wait_ms=0) == Load(0, 0, 0, 0))
        assert engine.load().wait_ms >= 1000
        assert engine.busy()
        with pytest.raises(TallystickError) as counted:
            await engine.count(HELLO)
        with pytest.raises(TallystickError) as caught:
            engine.run(HELLO)
        assert counted.value.code is caught.value.code is Code.ENGINE_FAILED
        assert caught.value.values["retry_after_ms"] >= 1000
        server.usual = said("Hello", " there")
        await until(lambda: not engine.busy())
        assert engine.load() == Load(2, 1, 0, 0)
        assert (await collect(engine.run(HELLO)))[1].units == 2


async def test_what_is_under_way_and_what_is_charged_wait_for_a_server_that_restarts(server: HostileUpstream) -> None:
    async with opened(server, probe_interval=600, patience=20.0) as engine:
        server.usual = dropped()
        under_way = engine.run(HELLO)
        await until(engine.busy)
        charged = engine.run(replace(HELLO, charged=True))
        server.usual = said("Hello", " there")
        for run in (under_way, charged):
            assert (await collect(run))[1].units == 2


async def test_the_input_is_estimated_below_its_bytes(server: HostileUpstream) -> None:
    async with opened(server) as engine:
        able = engine.capabilities()
        for text in ("", "x", "word " * 300, "词" * 100):
            units = await engine.count(ask(text))
            size = len(ask(text).input)
            assert size // able.bytes_per_unit <= units <= size
        with pytest.raises(TallystickError) as caught:
            await engine.count(ask("word " * 3000))
        assert caught.value.code is Code.PROMPT_TOO_LONG


async def test_a_request_names_the_model_and_leaves_room_for_its_input(server: HostileUpstream) -> None:
    async with opened(server, extra={"repetition_penalty": 1.1}) as engine:
        await collect(engine.run(ask("word " * 300, max_units=5000, seed=7, stop=("x",))))
    body = server.seen[-1]
    assert body["model"] == "scripted" and body["stream"] is True
    assert (body["seed"], body["stop"], body["repetition_penalty"]) == (7, ["x"], 1.1)
    assert body["max_tokens"] == 2048 - 375 - 4
    assert "temperature" not in body


async def test_a_cache_is_shared_within_a_scope_only(server: HostileUpstream) -> None:
    server.entry["owned_by"] = "vllm"
    async with opened(server) as engine:
        for scope in (b"a", b"a", b"b", b"", b""):
            await collect(engine.run(ask("hello", scope=scope)))
    one, again, other, *nobody = [body["cache_salt"] for body in server.seen[1:]]
    assert one == again
    assert len({one, other, *nobody}) == 4


async def test_the_key_goes_to_the_server_and_nowhere_else(
    server: HostileUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_text("a-secret-key\n")
    server.script.append(status(401, {"error": {"message": "Incorrect API key provided: a-secret-key"}}))
    plain = {"url": server.url, "json_schema": False, "logprobs": False}
    with pytest.raises(TallystickError) as caught:
        await open_engine("upstream", {**plain, "key_file": str(path)})
    assert server.keys == {"bearer a-secret-key"}
    assert caught.value.code is Code.ENGINE_FAILED
    assert "a-secret-key" not in str(caught.value)
    monkeypatch.setenv("MY_KEY", "another-key")
    engine = await open_engine("upstream", {**plain, "key_env": "MY_KEY"})
    assert "bearer another-key" in server.keys
    assert "another-key" not in repr(vars(engine))
    await engine.close()


@pytest.mark.parametrize(
    ("entry", "options", "reason"),
    [
        ({"id": "a"}, {}, "set context"),
        ({"id": "a", "max_model_len": 99}, {"model": "b"}, "no such model"),
    ],
)
async def test_what_the_server_does_not_say_has_to_be_said(
    server: HostileUpstream, entry: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    server.entry = entry
    with pytest.raises(TallystickError) as caught:
        await open_engine("upstream", {"url": server.url, **options})
    assert caught.value.code is Code.BAD_SETTINGS
    assert reason in caught.value.values["reason"]


async def test_nobody_is_there() -> None:
    async with hostile_upstream() as server:
        url = server.url
    with pytest.raises(TallystickError) as caught:
        await open_engine("upstream", {"url": url})
    assert (caught.value.code, caught.value.values["kind"]) == (Code.ENGINE_FAILED, "nothing answers at its address")
