"""The chat service's own bytes."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.chat import ChatParams, chat_input, read_input, read_params
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import encode
from tests.shared.tools import refused


def test_round_trip():
    turns = [("system", "be short"), ("user", "hello ‖ 🙂"), ("assistant", ""), ("user", "again")]
    read = read_input(chat_input(turns))
    assert [(message.role, message.content) for message in read.messages] == turns


@pytest.mark.parametrize(
    "messages", [[], [["tool", "x"]], [["user"]], [["user", "x", "y"]], [["user", b"x"]], [["user", "x"]] * 1001]
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


@pytest.mark.parametrize("params", [ChatParams(), ChatParams(0.0, 1.0, 2**32 - 1, ("a",) * 4), ChatParams(2.0, 0.1)])
def test_params_round_trip(params):
    assert read_params(encode(params)) == params


@pytest.mark.parametrize(
    "values",
    [
        [-0.1, None, None, []], [2.1, None, None, []], [float("nan"), None, None, []], [float("inf"), None, None, []],
        [None, 0.0, None, []], [None, 1.1, None, []], [None, None, -1, []], [None, None, 2**32, []],
        [None, None, None, ["s"] * 5], [None, None, None, [1]], [None, None, None, [], 0],
    ],
)  # fmt: skip
def test_params_out_of_range(values):
    with refused(Code.BAD_MESSAGE, PeerError):
        read_params(msgspec.msgpack.encode(values))
