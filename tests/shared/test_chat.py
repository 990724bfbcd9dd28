"""The chat service's own bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_shared.chat import (
    Call,
    ChatInput,
    ChatParams,
    FrameReader,
    Message,
    Score,
    Scored,
    ScoredToken,
    chat_input,
    encode_input,
    encode_params,
    frame,
    read_input,
    read_params,
)
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import encode
from tests.shared.tools import refused


class OldParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a node knew before the params were widened."""

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


def test_round_trip():
    turns = [("system", "be short"), ("user", "hello ‖ 🙂"), ("assistant", ""), ("user", "again")]
    read = read_input(chat_input(turns))
    assert [(message.role, message.content) for message in read.messages] == turns


def test_tools_and_their_answers_round_trip():
    call = Message("assistant", "", '[{"id": "1"}]')
    wanted = ChatInput((Message("user", "x"), call, Message("tool", "sunny", "", "1")), '[{"type": "function"}]')
    assert read_input(encode_input(wanted)) == wanted


def test_what_uses_nothing_new_is_written_as_before():
    assert chat_input([("user", "x")]) == msgspec.msgpack.encode([[["user", "x"]]])
    assert encode_params(ChatParams()) == b""
    old = msgspec.msgpack.Decoder(OldParams).decode(encode_params(ChatParams(0.5, None, 7)))
    assert (old.temperature, old.seed) == (0.5, 7)


@pytest.mark.parametrize(
    "messages", [[], [["oracle", "x"]], [["user"]], [["user", "x", 7]], [["user", b"x"]], [["user", "x"]] * 1001]
)
def test_conversations_that_are_none(messages):
    with refused(Code.BAD_MESSAGE, PeerError):
        read_input(msgspec.msgpack.encode([messages]))


@pytest.mark.parametrize(
    "data", [b"", b"\x91", b"\x91\xdd\xff\xff\xff\xff", b"hello", b"\x91\x91\x92\xa4user\xa2\xff\xfe"]
)
def test_bytes_that_are_no_conversation(data):
    with refused(Code.BAD_MESSAGE, PeerError):
        read_input(data)


def test_no_params_are_all_defaults():
    assert read_params(b"") == ChatParams()


@pytest.mark.parametrize(
    "params",
    [
        ChatParams(), ChatParams(0.0, 1.0, 2**32 - 1, ("a",) * 4), ChatParams(2.0, 0.1),
        ChatParams(top_k=40, min_p=0.1, presence_penalty=-1.0, frequency_penalty=1.0, repeat_penalty=1.2),
        ChatParams(json_schema="{}", logprobs=5, continues=True, tool_choice="required"),
    ],
)  # fmt: skip
def test_params_round_trip(params):
    assert read_params(encode(params)) == params == read_params(encode_params(params))
    assert len(encode_params(params)) <= len(encode(params))


@pytest.mark.parametrize(
    "values",
    [
        [-0.1, None, None, []], [2.1, None, None, []], [float("nan"), None, None, []], [float("inf"), None, None, []],
        [None, 0.0, None, []], [None, 1.1, None, []], [None, None, -1, []], [None, None, 2**32, []],
        [None, None, None, ["s"] * 5], [None, None, None, [1]], [None, None, None, [], 0],
        [None, None, None, [], None, 1.5], [None, None, None, [], None, None, 3.0],
        [None, None, None, [], None, None, None, None, 0.0], [None, None, None, [], None, None, None, None, None, 1],
        [None, None, None, [], None, None, None, None, None, "", 21], [None] * 3 + [[], *[None] * 5, "", None, 1],
        [None] * 3 + [[], *[None] * 5, "", None, False, "x" * 65],
        [None] * 3 + [[], *[None] * 5, "", None, False, "", 1],
    ],
)  # fmt: skip
def test_params_out_of_range(values):
    with refused(Code.BAD_MESSAGE, PeerError):
        read_params(msgspec.msgpack.encode(values))


SCORED = Scored("hé", (ScoredToken(Score(7, b"h\xc3", -0.5), (Score(7, b"h\xc3", -0.5), Score(9, b"x", -2.0))),))


@given(st.lists(st.sampled_from([SCORED, Scored("", ()), Scored("b" * 300, (), 1)])), st.lists(st.integers(1, 400)))
def test_frames_come_whole_out_of_any_pieces(bodies, sizes):
    data, reader, found = b"".join(map(frame, bodies)), FrameReader(Scored), []
    for size in [*sizes, len(data) + 1]:
        found += reader.feed(data[:size])
        data = data[size:]
    reader.end()
    assert found == bodies


def test_frames_that_are_none():
    reader = FrameReader(Call)
    assert reader.feed(frame(Call(0, "{}"))[:-1]) == []
    with refused(Code.BAD_MESSAGE, PeerError):
        reader.end()
    with refused(Code.BAD_MESSAGE, PeerError):
        FrameReader(Call).feed(b"\x00\x01\xc1")
    with pytest.raises(ValueError, match="do not fit"):
        frame(Call(0, "x" * 70_000))
