"""The local `/v1` with the stock client: a real chain, a real provider, real money."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest

from tallystick_helper.chain.sender import Sender
from tallystick_shared.evm.channels import Channels
from tallystick_shared.money import Price

from .gateways import gateway
from .world import ETHER, PRICE_IN, PRICE_OUT, Serving, World, serving, until

PRICE = Price(PRICE_IN, PRICE_OUT)
MODEL = "loopback"
SAID = [{"role": "user", "content": "one two three"}]


async def test_the_stock_client_streams_with_usage_and_pays(provider: Serving) -> None:
    deposit = await provider.deposit()
    async with gateway(provider.world) as local:
        stream = await local.client.chat.completions.create(
            model=MODEL, messages=SAID, max_tokens=5, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == "one two three one two"
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
        usage = chunks[-1].usage
        assert usage is not None and (usage.prompt_tokens, usage.completion_tokens) == (7, 5)
        assert chunks[-1].tallystick["amount"] == str(PRICE.amount(7, 5))
    row = await provider.node.ledger.channel(deposit.channel_id(provider.world.crypto))
    assert row is not None and row.voucher.amount == row.owed == PRICE.amount(7, 5)


async def test_without_a_stream_the_answer_comes_whole(provider: Serving) -> None:
    await provider.deposit()
    async with gateway(provider.world) as local:
        answer = await local.client.chat.completions.create(model=MODEL, messages=SAID, max_completion_tokens=4)
        assert answer.choices[0].message.content == "one two three one"
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None and answer.usage.total_tokens == 11
        models = await local.client.models.list()
        assert [model.id for model in models.data] == [MODEL]
        assert (await local.client.models.retrieve(MODEL)).id == MODEL


async def test_several_at_once_over_one_connection_that_is_kept(provider: Serving) -> None:
    await provider.deposit()
    async with gateway(provider.world) as local:

        async def ask(word: str) -> str | None:
            messages = [{"role": "user", "content": word}]
            answer = await local.client.chat.completions.create(model=MODEL, messages=messages, max_tokens=1)
            return answer.choices[0].message.content

        words = [f"w{number}" for number in range(10)]  # more than a connection carries at once
        assert await asyncio.gather(*map(ask, words)) == words
        [connection] = provider.node._connections
        assert await ask("again") == "again"
        assert list(provider.node._connections) == [connection]


async def test_a_client_that_leaves_stops_the_engine_and_pays_no_more(provider: Serving) -> None:
    deposit = await provider.deposit()
    engine = provider.node.engine
    async with gateway(provider.world) as local:
        stream = await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=3000, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        assert engine.load().running == 1
        await stream.close()
        await until(lambda: not engine.load().running)
    row = await provider.node.ledger.channel(deposit.channel_id(provider.world.crypto))
    assert row is not None and 0 < row.voucher.amount == row.owed < PRICE.amount(7, 1000)


async def test_a_client_that_leaves_before_the_answer_stops_it_too(world: World) -> None:
    options = {"rate": 100.0, "prefill_rate": 0.01}  # it would read for ever
    async with serving(world, engine={"options": options}) as provider, gateway(world) as local:
        await provider.deposit()
        asking = asyncio.create_task(
            local.http.post("chat/completions", json={"model": MODEL, "messages": SAID, "max_tokens": 3})
        )
        await until(lambda: provider.node.engine.load().running)
        asking.cancel()
        await until(lambda: not provider.node.engine.load().running)


async def test_a_client_that_leaves_while_it_is_dialled_leaves_the_deposit_usable(provider: Serving) -> None:
    await provider.deposit()
    async with gateway(provider.world) as local:
        assert local.up.admin is not None
        lines = local.up.admin.gateway
        body = {"model": MODEL, "messages": SAID, "max_tokens": 2}
        asking = asyncio.create_task(local.http.post("chat/completions", json=body))
        await until(lambda: lines.lines)
        asking.cancel()
        await asyncio.wait([asking])
        answers = [local.client.chat.completions.create(**body) for _ in range(2)]
        assert [one.choices[0].message.content for one in await asyncio.gather(*answers)] == ["one two"] * 2
        assert len(provider.node._connections) == 1


async def test_no_deposit_says_which_command_opens_one(provider: Serving) -> None:
    async with gateway(provider.world) as local:
        with pytest.raises(openai.APIStatusError) as caught:
            await local.client.chat.completions.create(model=MODEL, messages=SAID)
        assert caught.value.status_code == 402
        assert caught.value.code == "no_deposit"
        assert f"tallystick channel open --provider 0x{provider.provider.hex()}" in caught.value.message
        assert caught.value.message.endswith(" --key-file KEY --rpc URL")
        with pytest.raises(openai.NotFoundError) as missing:
            await local.client.chat.completions.create(model="none", messages=SAID)
        assert missing.value.code == "model_not_found"
        await provider.deposit()  # seen without a restart
        answer = await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
        assert answer.choices[0].message.content == "one"


async def test_a_deposit_that_is_used_up_ends_the_answer_then_costs_402(provider: Serving) -> None:
    await provider.deposit(PRICE.amount(7, 6))
    async with gateway(provider.world) as local:
        answer = await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=50)
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None and answer.usage.completion_tokens <= 6
        with pytest.raises(openai.APIStatusError) as caught:
            await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=50)
        assert caught.value.status_code == 402


async def test_after_a_top_up_nobody_waits_for_others_answers(world: World) -> None:
    """The old sum still bears a small request; the new one is taken over once the connection is at rest."""
    async with serving(world, engine={"options": {"rate": 20.0}}) as provider, gateway(world) as local:
        deposit = await provider.deposit(PRICE.amount(200, 4000))
        stream = await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=3000, stream=True)
        await anext(aiter(stream))
        data = Channels(world.crypto, world.where.channels).top_up(deposit.channel_config(), 0, ETHER)
        sender = Sender(world.rpc, world.user_key, world.where.chain_id, poll=0.01)
        await sender.transact(world.where.channels, data, ETHER)
        assert local.up.admin is not None
        lines = local.up.admin.gateway
        [known] = await lines.candidates()
        known.holdings.forget(known.provider)
        assert [int(one.deposit.amount) > ETHER for one in await lines.candidates()] == [True]
        answer = await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
        assert answer.choices[0].message.content == "one"
        assert provider.node.engine.load().running == 1 and len(lines.lines) == 1
        await stream.close()
        await until(lambda: not lines.lines[0].busy)
        await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
        assert int(lines.lines[0].deposit.amount) > ETHER


async def test_a_full_provider_is_429_with_retry_after(world: World) -> None:
    options = {"rate": 50.0, "slots": 1, "queue": 0}
    async with serving(world, engine={"options": options}) as provider, gateway(world) as local:
        await provider.deposit()
        stream = await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=500, stream=True)
        with pytest.raises(openai.RateLimitError) as caught:
            await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
        assert int(caught.value.response.headers["retry-after"]) >= 1
        await stream.close()


async def test_a_provider_that_is_gone_is_503_and_one_that_is_back_answers(world: World) -> None:
    async with gateway(world) as local:
        async with serving(world) as provider:
            await provider.deposit()
            port = provider.up.public.port if provider.up.public else 0
            await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
        with pytest.raises(openai.InternalServerError) as caught:
            await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
        assert (caught.value.status_code, caught.value.code) == (503, "provider_gone")
        async with serving(world, listen={"port": port}):
            answer = await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
            assert answer.choices[0].message.content == "one"


async def test_an_answer_that_breaks_off_ends_with_an_error_and_no_done(world: World) -> None:
    async with gateway(world) as local:
        async with serving(world) as provider:
            await provider.deposit()
            body = {"model": MODEL, "messages": SAID, "max_tokens": 3000, "stream": True}
            async with local.http.stream("POST", "chat/completions", json=body) as answer:
                lines = answer.aiter_lines()
                async for line in lines:
                    if '"content":"one' in line:
                        break
                stopping = asyncio.create_task(provider.up.stop())
                rest = [line async for line in lines if line]
                await stopping
        error = json.loads(rest[-1].removeprefix("data: "))["error"]
        assert error["code"] in ("draining", "truncated", "provider_gone") and error["type"] == "server_error"
        assert "[DONE]" not in "".join(rest)


async def test_the_prompt_that_is_too_long_and_the_parameter_that_is_not_known_are_400(provider: Serving) -> None:
    await provider.deposit(ETHER)
    async with gateway(provider.world) as local:
        long = [{"role": "user", "content": "word " * 5000}]
        with pytest.raises(openai.BadRequestError) as caught:
            await local.client.chat.completions.create(model=MODEL, messages=long)
        assert caught.value.code == "context_length_exceeded"
        with pytest.raises(openai.BadRequestError) as refused:
            await local.client.chat.completions.create(model=MODEL, messages=SAID, n=2)
        assert refused.value.param == "n"


async def test_an_idle_connection_lets_go_of_its_deposit(provider: Serving) -> None:
    deposit = await provider.deposit()
    async with gateway(provider.world, gateway={"idle": 0.05}) as local:
        await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
        assert local.up.admin is not None
        lines = local.up.admin.gateway
        await until(lambda: not lines.lines)
        store = provider.world.store()
        store.hold(deposit)
        with pytest.raises(openai.ConflictError):
            await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)
        store.release(deposit)
        await local.client.chat.completions.create(model=MODEL, messages=SAID, max_tokens=1)


async def test_a_stream_over_plain_http_is_server_sent_events(provider: Serving) -> None:
    await provider.deposit()
    async with gateway(provider.world) as local:
        body = {"model": MODEL, "messages": SAID, "max_tokens": 2, "stream": True}
        answer = await local.http.post("chat/completions", json=body)
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.text.split("\n\n") if line]
        assert lines[-1] == "data: [DONE]"
        parsed = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
        assert {one["object"] for one in parsed} == {"chat.completion.chunk"}
        assert parsed[-1]["choices"][0]["finish_reason"] == "length" and "usage" not in parsed[-1]
