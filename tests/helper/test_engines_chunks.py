"""From llama.cpp's chunks to pieces. The chunks here are shortened copies of what b11549 sends; the tests of the
engine itself run the real thing.
"""

from __future__ import annotations

from typing import Any

import pytest

from tallystick_helper.engines import Piece, Reason
from tallystick_helper.engines.chunks import ChunkReader
from tallystick_shared import chat
from tallystick_shared.errors import Code, TallystickError


def text(content: str | None, decoded: int, **delta: Any) -> dict[str, Any]:
    return {
        "choices": [{"delta": {"content": content, **delta}, "finish_reason": None}],
        "timings": {"predicted_n": decoded},
    }


def finish(reason: str, decoded: int) -> dict[str, Any]:
    return {"choices": [{"delta": {}, "finish_reason": reason}], "timings": {"predicted_n": decoded}}


def read(*chunks: dict[str, Any], hold: bool = False) -> tuple[list[tuple[str, int]], Reason]:
    pieces: list[Piece] = []
    reader = ChunkReader(pieces.append, hold)
    for chunk in chunks:
        reader.take(chunk)
    return [(piece.data.decode(), piece.units) for piece in pieces], reader.end()


PROGRESS = {**text(None, 0), "prompt_progress": {"total": 40, "processed": 16}}


def test_one_token_a_piece() -> None:
    assert read(PROGRESS, text("a", 1), text("b", 2), finish("length", 2)) == ([("a", 1), ("b", 1)], Reason.LENGTH)


def test_the_end_token_is_free() -> None:
    assert read(text("a", 1), finish("stop", 2)) == ([("a", 1)], Reason.STOP)


def test_a_character_of_several_tokens() -> None:
    assert read(text("🎉", 3), text("🎉", 6), finish("length", 8)) == ([("🎉", 3), ("🎉", 3)], Reason.LENGTH)


@pytest.mark.parametrize("hold", [False, True])
def test_held_back_text_that_was_no_stop_string(hold: bool) -> None:
    chunks = (text("a", 1), text("b c d", 4), text("e", 5), finish("stop", 6))
    assert read(*chunks, hold=hold) == ([("a", 1), ("b c d", 3), ("e", 1)], Reason.STOP)


def test_held_back_text_that_comes_with_the_end_token() -> None:
    chunks = (text("'s", 13), text(" on your mind?", 18), finish("stop", 18))
    assert read(*chunks, hold=True) == ([("'s", 2), (" on your mind?", 4)], Reason.STOP)


def test_a_stop_string_is_free() -> None:
    assert read(text(" endeavors", 10), finish("stop", 16), hold=True) == ([(" endeavors", 10)], Reason.STOP)


def test_the_limit_within_held_back_text() -> None:
    assert read(text(" endeavors", 10), finish("length", 15), hold=True) == ([(" endeavors", 10)], Reason.LENGTH)


def test_never_more_units_than_bytes() -> None:
    assert read(text("ab", 40), text("c", 41), finish("stop", 42)) == ([("ab", 2), ("c", 1)], Reason.STOP)


def test_reasoning_is_of_another_kind() -> None:
    pieces: list[Piece] = []
    reader = ChunkReader(pieces.append)
    reader.take(text(None, 2, reasoning_content="hmm"))
    reader.take(text("yes", 3))
    assert [(piece.kind, piece.units) for piece in pieces] == [(1, 2), (0, 1)]


def test_scored_text_carries_its_tokens() -> None:
    def entry(token: int, data: str, logprob: float) -> dict[str, Any]:
        return {"id": token, "token": data, "bytes": list(data.encode()), "logprob": logprob}

    chunk = text("Hello", 1)
    tops = [entry(19556, "Hello", -2.0), entry(57, "I", -2.5)]
    chunk["choices"][0]["logprobs"] = {"content": [entry(19556, "Hello", -2.0) | {"top_logprobs": tops}]}
    pieces: list[Piece] = []
    reader = ChunkReader(pieces.append, scored=1)
    reader.take(chunk)
    reader.take(text("!", 2))
    (first, second) = chat.FrameReader(chat.Scored).feed(b"".join(piece.data for piece in pieces))
    chosen = chat.Score(19556, b"Hello", -2.0)
    assert first == chat.Scored("Hello", (chat.ScoredToken(chosen, (chosen,)),))
    assert second == chat.Scored("!", ())
    assert [(piece.kind, piece.units) for piece in pieces] == [(chat.Kind.SCORED, 1)] * 2


def test_calls_of_tools_come_in_parts_and_count_like_text() -> None:
    parts = [
        [{"index": 0, "id": "a1", "type": "function", "function": {"name": "weather", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"place":'}}],
        [{"index": 0, "function": {"arguments": '"Paris"}'}}],
    ]
    pieces: list[Piece] = []
    reader = ChunkReader(pieces.append)
    for at, part in enumerate(parts):
        reader.take(text(None, 5 + 3 * at, tool_calls=part))
    reader.take(finish("tool_calls", 12))
    calls = chat.FrameReader(chat.Call).feed(b"".join(piece.data for piece in pieces))
    assert (calls[0].name, calls[0].id) == ("weather", "a1")
    assert "".join(call.arguments for call in calls) == '{"place":"Paris"}'
    assert [(piece.kind, piece.units) for piece in pieces] == [(chat.Kind.CALLS, units) for units in (5, 3, 3)]
    assert reader.end() is Reason.STOP


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4, "message": "m"},
            Code.PROMPT_TOO_LONG,
        ),
        ({"code": 400, "type": "invalid_request_error", "message": "m"}, Code.BAD_REQUEST),
        ({"code": 500, "type": "server_error", "message": "m"}, Code.ENGINE_FAILED),
        ("nonsense", Code.ENGINE_FAILED),
    ],
)
def test_errors_have_codes(error: object, code: Code) -> None:
    with pytest.raises(TallystickError) as caught:
        read({"error": error})
    assert caught.value.code is code


def test_a_stream_that_breaks_off() -> None:
    with pytest.raises(TallystickError) as caught:
        read(text("a", 1))
    assert caught.value.code is Code.ENGINE_FAILED


def test_a_stream_that_was_cancelled() -> None:
    reader = ChunkReader(lambda piece: None)
    reader.take(text("a", 1))
    assert reader.end(cancelled=True) is Reason.CANCELLED
