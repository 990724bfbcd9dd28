"""Figures for Prometheus, the table of models, and that neither they nor the logs hold a word of what was said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tallystick_helper import hardware
from tallystick_helper.chat import Answer
from tallystick_helper.cli_models_list import rows_of, table_of
from tallystick_helper.gateway.key import ApiKey
from tallystick_helper.ledger_totals import totals
from tallystick_helper.model_list import servable
from tallystick_helper.settings import Settings
from tallystick_shared.chat import chat_input
from tallystick_shared.errors import PeerError
from tallystick_shared.money import Price

from .gateways import Local, local_api
from .world import PRICE_IN, PRICE_OUT, Serving, World, serving, until

CANARY = "marzipanzeppelin"
PRICE = Price(PRICE_IN, PRICE_OUT)
Samples = dict[str, list[tuple[dict[str, str], float]]]


async def scraped(local: Local) -> Samples:
    """What a Prometheus that follows docs/howto/metrics.md gets, by sample name."""
    assert local.up.admin is not None
    key = local.up.admin.metrics_key.text()
    url = f"http://127.0.0.1:{local.port}/metrics"
    answer = await local.http.get(url, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    found: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return sum(
        value for found, value in samples[name] if all(found[label] == wanted for label, wanted in labels.items())
    )


async def session(provider: Serving) -> None:
    """Three answers, one stopped in the middle, one prompt that is too long; each with the canary in it."""
    conversation = await provider.conversation(await provider.deposit(), low_latency=True)
    await conversation.connect()
    for _ in range(3):
        async for _ in conversation.ask([("user", f"{CANARY} two three")], "loopback", 6):
            pass
    async for piece in conversation.ask([("user", CANARY)], "loopback", 3000):
        if not isinstance(piece, Answer):
            [stream] = [number for number, held in conversation.user.session.streams.items() if held.accepted][-1:]
            await conversation.user.stop(stream)
    with pytest.raises(PeerError):
        async for _ in conversation.ask([("user", f"{CANARY} " * 4500)], "loopback", 3):
            pass
    await conversation.settle()
    await conversation.leave()


async def test_a_scrape_tells_what_was_served_and_paid(provider: Serving) -> None:
    await session(provider)
    async with local_api(provider.up) as local:
        found = await scraped(local)
        models = (await local.http.get(f"http://127.0.0.1:{local.port}/models")).status_code
    row = next(iter((await totals(provider.node.ledger)).live.values()))
    assert models == 401  # the key of /v1 opens no figures
    assert value(found, "tallystick_requests_total", model="loopback", finish="length") == 3
    assert value(found, "tallystick_requests_total", model="loopback", finish="cancelled") == 1
    assert value(found, "tallystick_errors_total", code="prompt_too_long") == 1
    assert value(found, "tallystick_input_units_total", unit="token") == 3 * 7 + 5
    assert value(found, "tallystick_output_units_total", engine="echo") >= 19
    assert value(found, "tallystick_first_output_seconds_count") == 4
    assert value(found, "tallystick_output_units_per_second_count") == 4
    assert value(found, "tallystick_slots") == 8 and value(found, "tallystick_running") == 0
    assert value(found, "tallystick_model", kind="text") == 1
    # The prompt that was refused had a voucher beside it: that stays ahead of what is owed.
    assert value(found, "tallystick_owed") == row.owed <= row.durable == value(found, "tallystick_vouchers_durable")
    assert value(found, "tallystick_channels", chain="main") == 1
    assert value(found, "tallystick_process_memory_bytes") > 1 << 20
    assert value(found, "tallystick_process_cpu_seconds_total") > 0
    assert not any(CANARY in str(labels) for rows in found.values() for labels, _ in rows)


async def test_who_finds_no_room_is_counted(world: World) -> None:
    async with serving(world, engine={"options": {"slots": 1, "queue": 0, "rate": 50.0}}) as provider:
        conversation = await provider.conversation(await provider.deposit(), low_latency=True)
        await conversation.connect()
        first = await conversation.user.ask("chat", b"", chat_input([("user", "x")]), "loopback", 1000)
        await until(lambda: provider.node.engine.load().running)
        with pytest.raises(PeerError):
            async for _ in conversation.ask([("user", "y")], "loopback", 1):
                pass
        await conversation.user.stop(first)
        await conversation.leave()
        async with local_api(provider.up) as local:
            assert value(await scraped(local), "tallystick_errors_total", code="busy") == 1


async def test_claims_are_counted(world: World) -> None:
    async with serving(world, money={"threshold": 1}) as provider:
        await session(provider)
        async with local_api(provider.up) as local:
            end = asyncio.get_running_loop().time() + 10
            while not value(found := await scraped(local), "tallystick_paid_total"):
                assert asyncio.get_running_loop().time() < end
            assert value(found, "tallystick_claims_total", kind="claim", mined="yes") >= 1


async def test_logs_hold_no_word_of_a_prompt_or_an_answer(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """A whole session at the finest level, through the node and through the local API, with faults: everything that
    the process wrote is searched. The provider's name proves that the search would find something.
    """
    async with serving(world) as provider:
        await session(provider)
        async with local_api(provider.up) as local:
            said = [{"role": "user", "content": CANARY}]
            for model, more in (("loopback", {"n": 2}), (CANARY, {}), ("loopback", {"max_tokens": 2})):
                await local.http.post("chat/completions", json={"model": model, "messages": said, **more})
            await local.http.post("chat/completions", content=CANARY.encode())
            await local.http.post(CANARY)
        user = world.crypto.secp256k1_address(world.user_key).hex()
    out, err = capfd.readouterr()
    written = (out + err).lower()
    assert provider.provider.hex() in written
    assert CANARY not in written and user not in written


async def test_the_table_of_models_of_a_node_that_runs(provider: Serving) -> None:
    running, [row] = await asyncio.to_thread(rows_of, provider.world.settings("node"))
    assert running and (row["model"], row["state"], row["announced"]) == ("loopback", "loaded", True)
    assert (row["slots"], row["running"], row["queue"], row["waiting"]) == (8, 0, 16, 0)
    assert (row["price_in"], row["price_out"]) == (str(PRICE_IN), str(PRICE_OUT))
    [cells] = table_of([row], "ETH")
    assert cells[:6] == ["loopback", "echo", "loaded", "0 of 8", "0 of 16", "4096"] and cells[6].endswith(" ETH")


def test_the_table_of_models_of_a_node_that_does_not_run(tmp_path: Path) -> None:
    running, [row] = rows_of(Settings.model_validate({"data_dir": tmp_path}))
    assert not running and (row["state"], row["engine"], row["slots"]) == ("not running", "gguf", None)
    assert row["fits"] in ("green", "amber", "red") and row["quantisation"]
    assert table_of([row], "ETH")[0][2].startswith("not running (")
    assert rows_of(Settings.model_validate({"data_dir": tmp_path, "engine": {"kind": "none"}})) == (False, [])


def test_each_model_of_the_settings_has_a_row() -> None:
    models = {"small": {"kind": "echo"}, "vectors": {"kind": "gguf-embeddings"}}
    prices = {"small": {"price_out": 7}}
    rows = servable(Settings.model_validate({"models": models, "offer": {"models": prices}}))
    assert [(row.model, row.kind, row.unit) for row in rows] == [
        ("small", "text", "token"), ("vectors", "vectors", "vector")]  # fmt: skip
    assert rows[0].price_out == "7" != rows[1].price_out


def test_hardware_is_quiet_where_there_is_no_gpu() -> None:
    found = hardware.read()
    assert found.cores >= 1 and 0 < found.memory_available <= found.memory_total
    assert found.process_memory > 1 << 20 and found.process_cpu > 0
    assert all(gpu["memory_total"] > 0 for gpu in found.values()["gpus"])


def test_the_metrics_key_is_a_key_of_its_own(tmp_path: Path) -> None:
    assert ApiKey(tmp_path, "metrics").text() != ApiKey(tmp_path).text()


async def test_figures_are_read_while_an_answer_streams(provider: Serving) -> None:
    conversation = await provider.conversation(await provider.deposit())
    await conversation.connect()
    asking = asyncio.create_task(_first(conversation.ask([("user", "x")], "loopback", 2000)))
    await until(lambda: provider.node.engine.load().running)
    async with local_api(provider.up) as local:
        found = await scraped(local)
    assert value(found, "tallystick_running") == 1 and value(found, "tallystick_connections") == 1
    asking.cancel()
    await asyncio.wait([asking])
    await conversation.leave()


async def _first(pieces: object) -> None:
    async for _ in pieces:  # type: ignore[attr-defined]
        pass
