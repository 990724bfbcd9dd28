"""What only a real model can show through the local API: answers that fit a schema, and scored tokens."""

from __future__ import annotations

import json

import openai
import pytest

from .gateways import gateway
from .world import World, serving

MODEL = "SmolLM2-135M-Instruct-Q4_1"
SAID = [{"role": "user", "content": "Is the sky blue?"}]
SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


@pytest.mark.model
async def test_schema_scores_and_refusals(world: World) -> None:
    engine = {"kind": "gguf", "options": {"context": 512, "slots": 1, "threads": 1}}
    async with serving(world, engine=engine) as provider, gateway(world) as local:
        await provider.deposit()
        ask = local.client.chat.completions.create
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
        answer = await ask(
            model=MODEL, messages=SAID, max_tokens=30, response_format=form, logprobs=True, top_logprobs=2
        )
        choice = answer.choices[0]
        assert isinstance(json.loads(choice.message.content or "")["ok"], bool)
        scores = choice.logprobs.content if choice.logprobs else None
        assert scores and "".join(one.token for one in scores) == choice.message.content
        assert all(one.logprob <= 0 and len(one.top_logprobs) == 2 for one in scores)
        with pytest.raises(openai.BadRequestError) as caught:  # its template knows no tools
            tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
            await ask(model=MODEL, messages=SAID, max_tokens=5, tools=[tool])
        assert caught.value.code == "unsupported_parameter"
