"""The `chat` service: what its input, its params and its output hold. To the transport all three are opaque bytes.

Output is text, told apart by DATA's `kind` (`Kind`). Where log-probabilities were asked for, the answer comes as
`SCORED` instead of `ANSWER`, and calls of tools as `CALLS`; both are frames: a length (2 bytes, big-endian), then one
encoded structure. DATA joins and splits them as it likes, so they are read with a `FrameReader`. Log-probabilities
are many bytes a token: a connection that asks for them should be of the rich class (`records.RICH`).

Structures that were widened write only the fields that differ from their defaults at the end: who knows only the
older ones reads whatever uses only those.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from .errors import Code, PeerError
from .messages import U8, U16, U32, decode, encode, encode_short

SERVICE = "chat"
MOST_SCORES = 20


class Kind(IntEnum):
    """What a piece of output is."""

    ANSWER = 0
    REASONING = 1
    SCORED = 2
    CALLS = 3


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One turn of a conversation. `tool_calls` is what an assistant called (JSON, OpenAI's list), `tool_call_id` the
    call that a message of role `tool` answers.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: str = ""
    tool_call_id: Annotated[str, Meta(max_length=128)] = ""


class ChatInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The conversation, oldest first; the last message is the one to answer. `tools` (JSON, OpenAI's list) stand here
    and not in the params because the model reads them: they cost like any other input.
    """

    messages: Annotated[tuple[Message, ...], Meta(min_length=1, max_length=1000)]
    tools: str = ""


class ChatParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How to answer. None leaves the choice to the engine. What a model cannot do is refused with UNSUPPORTED.

    `json_schema` (JSON) is what the answer must fit; `{}` is any JSON. `logprobs` is how many other tokens to tell
    beside the one that came, 0 for that one alone. `continues` says that the last message is the assistant's, and is
    to be gone on with. `tool_choice` is `auto`, `none`, `required` or the name of a tool; empty is `auto`.
    """

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    seed: U32 | None = None
    stop: Annotated[tuple[str, ...], Meta(max_length=4)] = ()
    top_k: Annotated[int, Meta(ge=1, le=1 << 20)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    json_schema: str = ""
    logprobs: Annotated[int, Meta(ge=0, le=MOST_SCORES)] | None = None
    continues: bool = False
    tool_choice: Annotated[str, Meta(max_length=64)] = ""


class Score(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A token: its id in the model's vocabulary (-1 where the engine does not tell), its bytes, and its natural
    log-probability.
    """

    token: Annotated[int, Meta(ge=-1, lt=1 << 32)]
    data: bytes
    logprob: float


class ScoredToken(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The token that came, and the likeliest in its place, the best first."""

    chosen: Score
    top: Annotated[tuple[Score, ...], Meta(max_length=MOST_SCORES)] = ()


class Scored(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A piece of the answer with the tokens that made it. `kind` is that of its text."""

    text: str
    tokens: tuple[ScoredToken, ...]
    kind: U8 = Kind.ANSWER


class Call(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part of a call of a tool: the first of each `index` has id and name, all together the arguments (JSON)."""

    index: U16
    arguments: str = ""
    id: str = ""
    name: str = ""


def encode_params(params: ChatParams) -> bytes:
    """As short as can be; no bytes at all where everything is left to the engine."""
    return b"" if params == ChatParams() else encode_short(params)


def chat_input(messages: list[tuple[str, str]]) -> bytes:
    """Encoded input from (role, content) pairs."""
    return encode_input(ChatInput(tuple(Message(role, content) for role, content in messages)))  # type: ignore[arg-type]


def encode_input(wanted: ChatInput) -> bytes:
    """Encoded input, tools and their answers included."""
    messages = [msgspec.Raw(encode_short(message)) for message in wanted.messages]
    return msgspec.msgpack.encode([messages, wanted.tools] if wanted.tools else [messages])


def read_input(data: bytes) -> ChatInput:
    """Raises PeerError BAD_MESSAGE."""
    return decode(ChatInput, data)


def read_params(data: bytes) -> ChatParams:
    """Raises PeerError BAD_MESSAGE; empty bytes are all defaults."""
    return decode(ChatParams, data) if data else ChatParams()


def frame(body: Scored | Call) -> bytes:
    """Raises ValueError above 64 KiB."""
    data = encode(body)
    if len(data) > 0xFFFF:
        raise ValueError(f"{len(data)} bytes do not fit a frame")
    return len(data).to_bytes(2, "big") + data


F = TypeVar("F", Scored, Call)


class FrameReader(Generic[F]):
    """Puts frames of one kind together again, in whatever pieces they come."""

    def __init__(self, kind: type[F]) -> None:
        self._kind: type[F] = kind
        self._data = bytearray()

    def feed(self, data: bytes) -> list[F]:
        """The structures that are whole now. Raises PeerError BAD_MESSAGE."""
        self._data += data
        found: list[F] = []
        while len(self._data) >= 2 and len(self._data) >= 2 + (size := int.from_bytes(self._data[:2], "big")):
            found.append(decode(self._kind, bytes(self._data[2 : 2 + size])))
            del self._data[: 2 + size]
        return found

    def end(self) -> None:
        """Raises PeerError BAD_MESSAGE where a frame is not whole."""
        if self._data:
            raise PeerError(Code.BAD_MESSAGE, reason="a frame is cut off")
