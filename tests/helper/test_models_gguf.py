"""The embedded engine behind a paying node: schema, log-probabilities and cancels as a client meets them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tallystick_helper.chat import Conversation
from tallystick_shared.chat import (
    SERVICE,
    ChatInput,
    ChatParams,
    FrameReader,
    Kind,
    Message,
    Scored,
    encode_input,
    encode_params,
)
from tallystick_shared.errors import Code
from tallystick_shared.session.events import Finished, Output

from ..shared.tools import refused
from .world import Serving, World, serving, until

pytestmark = pytest.mark.model
GGUF = {"kind": "gguf", "options": {"context": 1024, "slots": 2, "threads": 1}}
POEM = ChatInput((Message("user", "Write a long poem about the sea."),))
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


@pytest.fixture
async def served(world: World) -> AsyncIterator[tuple[Serving, Conversation]]:
    async with serving(world, engine=GGUF) as provider:
        conversation = await provider.conversation(await provider.deposit(), low_latency=True)
        await conversation.connect()
        yield provider, conversation
        await conversation.leave()


async def ask(
    served: tuple[Serving, Conversation], wanted: ChatInput, params: ChatParams, units: int
) -> tuple[list[Output], Finished]:
    """All pieces of an answer, and its end. What is billed is what was counted."""
    offer, conversation = served[0].node.profile.offers[0], served[1]
    data, pieces, end = encode_input(wanted), [], None
    async for event in conversation.exchange(SERVICE, encode_params(params), data, offer.model, units):
        if isinstance(event, Output):
            pieces.append(event)
        else:
            end = event
    assert end is not None
    assert end.units == (pieces[-1].units if pieces else 0)
    assert end.amount == offer.price.amount(end.input_units, end.units)
    return pieces, end


async def test_what_the_engine_can_do_crosses_the_wire(served: tuple[Serving, Conversation]) -> None:
    _, conversation = served
    pieces, end = await ask(served, POEM, ChatParams(0.0, json_schema=json.dumps(SCHEMA)), 60)
    if end.finish == "stop":
        assert "ok" in json.loads(b"".join(piece.data for piece in pieces))
    pieces, end = await ask(served, POEM, ChatParams(0.0, logprobs=2), 8)
    assert {piece.kind for piece in pieces} == {Kind.SCORED}
    scored = FrameReader(Scored).feed(b"".join(piece.data for piece in pieces))
    assert end.units == 8 and "".join(one.text for one in scored)
    assert all(token.chosen.token >= 0 and len(token.top) == 2 for one in scored for token in one.tokens)
    begun = ChatInput((*POEM.messages, Message("assistant", "The sea")))
    pieces, _ = await ask(served, begun, ChatParams(0.0, continues=True), 4)
    assert {piece.kind for piece in pieces} == {Kind.ANSWER}
    owed = conversation.user.session.account.owed
    with refused(Code.UNSUPPORTED):
        await ask(served, ChatInput(POEM.messages, '[{"function": {"name": "x"}}]'), ChatParams(), 4)
    with refused(Code.BAD_REQUEST):
        await ask(served, POEM, ChatParams(json_schema='{"type": "nonsense"}'), 4)
    with refused(Code.PROMPT_TOO_LONG):
        await ask(served, ChatInput((Message("user", "hello " * 2000),)), ChatParams(), 4)
    assert conversation.user.session.account.owed == owed


async def test_no_token_comes_after_the_end_of_a_cancel_and_its_slot_is_free(
    served: tuple[Serving, Conversation],
) -> None:
    provider, conversation = served
    model = provider.node.profile.offers[0].model
    stream = await conversation.user.ask(SERVICE, b"", encode_input(POEM), model, 900)
    while not isinstance(event := await conversation._events.get(), Output):
        pass
    await conversation.user.stop(stream)
    while not isinstance(event := await conversation._events.get(), Finished):
        pass
    assert event.finish == "cancelled"
    made = provider.node.engine.load()
    await until(lambda: provider.node.engine.load().running == 0)
    _, end = await ask(served, POEM, ChatParams(0.0), 3)
    assert end.units == 3 and made.waiting == 0
    while not conversation._events.empty():
        late = conversation._events.get_nowait()
        assert not isinstance(late, Output) or late.stream != stream
