"""Vectors for money, with a real model: `tallystick embed`, and the local `/v1/embeddings` by the stock client."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import sys
from pathlib import Path

import openai
import pytest

from tallystick_helper.commands import ChatWishes
from tallystick_helper.embed_command import embed_now, texts_of
from tallystick_helper.keys import Secret
from tallystick_helper.terminal import Consent
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.money import Price

from ..shared.tools import refused
from .gateways import gateway
from .world import PRICE_IN, PRICE_OUT, Serving, World, serving

PRICE = Price(PRICE_IN, PRICE_OUT)
TEXTS = ["The cat sat on the mat.", "A kitten sits on a rug.", "Interest rates rose."]
MODEL = "SmolLM2-135M-Instruct-Q4_1-vectors"
YES = Consent(yes=True)
WISHES = ChatWishes(None, None, "0.01", None, 1, False, False)


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def check_paid(provider: Serving, amount: int) -> None:
    """A durable voucher pays exactly that, on the only channel there is."""
    [deposit] = provider.world.store().deposits()
    row = await provider.node.ledger.channel(deposit.channel_id(provider.world.crypto))
    assert row is not None and row.voucher.amount == row.owed == amount


@pytest.mark.model
async def test_a_real_model_embeds_for_the_command_and_for_the_stock_client(world: World) -> None:
    engine = {"kind": "gguf-embeddings", "options": {"context": 256, "slots": 1, "threads": 1}}
    async with serving(world, engine=engine) as provider:
        key = world.folder / "user.key"
        key.write_text(world.user_key.hex())
        command = ["embed", *TEXTS, "--key-file", str(key), "--data-dir", str(world.folder / "user"), "--json"]
        at = ["--rpc", world.url, "--registry", "0x" + world.where.registry.hex()]
        at += ["--channels", "0x" + world.where.channels.hex()]
        got = await _run(*command, *at)
        cat, kitten, rates = got["vectors"]
        assert len(cat) == 576 and likeness(cat, kitten) > likeness(cat, rates)
        assert (got["model"], got["output_units"]) == (MODEL, 3)
        cost = PRICE.amount(got["input_units"], 3)
        assert got["amount"] == str(cost)
        await check_paid(provider, cost)
        async with gateway(world) as local:
            again = await local.client.embeddings.create(model=MODEL, input=TEXTS)
            assert [one.index for one in again.data] == [0, 1, 2]
            assert again.data[0].embedding == pytest.approx(cat, abs=1e-4)
            assert again.usage.prompt_tokens == got["input_units"]
        await check_paid(provider, 2 * cost)


async def _run(*arguments: str) -> dict[str, object]:

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tallystick_helper", *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, object] = json.loads(said.splitlines()[-1])
    return found


async def test_more_texts_than_one_request_takes(world: World) -> None:
    texts = [f"notch {number}" for number in range(300)]
    engine = {"kind": "toy", "options": {"what": "vectors"}}
    async with serving(world, engine=engine) as provider:
        said = list[dict[str, object]]()
        got = await embed_now(
            *(world.settings("user"), Secret(world.user_key), texts, WISHES),
            *(lambda values, text: said.append(values), YES),
        )
        assert len(got.rows) == 300 and [list(one) for one in said] == [["opened", "deposit", "gas"]]
        await check_paid(provider, got.amount)
        with refused(Code.DEPOSIT_EXHAUSTED):
            small = ChatWishes(None, None, f"{PRICE.amount(6, 2)}wei", None, 1, False, False)
            await embed_now(world.settings("other"), Secret(world.user_key), texts[:3], small, lambda *_: None, YES)


async def test_who_has_no_vectors_is_not_asked_for_them(provider: Serving) -> None:
    settings, key = provider.world.settings("user"), Secret(provider.world.user_key)
    with pytest.raises(LocalError) as no:
        await embed_now(settings, key, ["x"], WISHES, lambda *_: None, YES)
    assert no.value.code is Code.NO_OFFER
    assert no.value.values == {"asked": "vectors", "offered": "text by loopback"}
    async with gateway(provider.world) as local:
        await provider.deposit()
        with pytest.raises(openai.NotFoundError) as caught:
            await local.client.embeddings.create(model="loopback", input="x")
        assert caught.value.code == "unknown_service"


async def test_numbers_or_base64_as_the_client_asks(world: World) -> None:
    async with serving(world, engine={"kind": "toy", "options": {"what": "vectors"}}) as provider:
        await provider.deposit()
        async with gateway(world) as local:
            body = {"model": "toy-vectors", "input": ["a", "b"], "dimensions": 64}
            plain = (await local.http.post("embeddings", json=body)).json()
            packed = (await local.http.post("embeddings", json={**body, "encoding_format": "base64"})).json()
            unpacked = struct.unpack("<64f", base64.b64decode(packed["data"][1]["embedding"]))
            assert list(unpacked) == plain["data"][1]["embedding"]
            assert plain["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
            assert plain["tallystick"]["output_units"] == 2


def test_texts_come_from_the_command_line_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "texts"
    file.write_text("one\n\n two \n")
    assert texts_of(["zero"], file) == ["zero", "one", " two "]
    for given, path in (([], None), (["", "x"], None), ([], tmp_path / "missing")):
        with refused(Code.BAD_SETTINGS):
            texts_of(given, path)
