"""The wizard's steps over the admin listener: from nothing to a provider, then another price, by a wallet elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tallystick_helper.settings import load
from tallystick_helper.up import Up
from tallystick_shared.errors import Code

from .router_gateway import gateway_of
from .test_console_sign_in import signed
from .test_registering import KEY, Wallet
from .test_router_port import behind
from .test_routes_pairing import Console
from .two_chains import Pair
from .world import Serving, World, until


@pytest.fixture
async def fresh(world: World) -> AsyncIterator[tuple[Up, Console, Wallet]]:
    """A node that nobody announced, a paired console, and a wallet of somebody's."""
    async with gateway_of("upnp") as gateway:
        settings = world.settings(router=behind(gateway))
        up = Up(settings)
        await up.start()
        console = Console(cast(Serving, SimpleNamespace(settings=settings, world=world)))
        await console.pair()
        await world.fund(KEY)
        try:
            yield up, console, Wallet(world)
        finally:
            await console.http.aclose()
            await up.stop()


async def test_from_nothing_to_a_provider_and_then_another_price(fresh: tuple[Up, Console, Wallet]) -> None:
    up, console, wallet = fresh
    at = await console.get("/api/provide")
    assert (at["provider"], at["serving"], at["waiting"], at["paid"]) == (None, False, False, "0")
    assert at["models"] == [{"model": "loopback", "unit": "token"}] and at["chain"]["id"] == 31337
    assert (await console.post("/api/provide/market"))["ranges"][0]["count"] == 0
    told = await console.post("/api/provide/check", checks=["accelerator", "disk", "rpc", "registered"])
    assert [one["check"] for one in told["checks"]] == ["accelerator", "disk", "rpc", "registered"]
    wishes = {"owner": wallet.hexed, "price_in": "0.00001", "price_out": "0.00003", "endpoint": at["endpoint"]}
    asked = await console.post("/api/provide/draft", **wishes)
    assert asked["call"] == "register" and int(asked["value"]) == 10**15
    bad = await console.call("POST", "/api/provide/seal", {"signature": "0x" + "11" * 65})
    assert bad.json()["error"] == "NOT_SIGNED_BY_OWNER"
    sealed = await console.post("/api/provide/seal", signature=wallet.sign(asked["typed_data"]))
    assert (await console.get("/api/provide"))["waiting"] and sealed["chain_id"] == 31337
    await wallet.send(sealed["transaction"])
    await until(lambda: up.node is not None)
    at = await console.get("/api/provide")
    assert (at["provider"], at["serving"], at["waiting"]) == (wallet.hexed, True, False)
    assert at["price_out"] == str(3 * 10**13) and await wallet.nonce() == 1 and at["gas"]["claims"] == 0
    # now there is an owner, and only the owner changes the offer
    dearer = {**wishes, "price_out": "0.00009"}
    refused = await console.call("POST", "/api/provide/draft", dearer)
    assert (refused.status_code, refused.json()["error"]) == (403, "OWNER_NEEDED")
    text = (await console.post("/api/owner/message", account=wallet.hexed))["message"]
    await console.post("/api/owner/sign-in", message=text, signature=signed(text, KEY))
    asked = await console.post("/api/provide/draft", **dearer)
    assert (asked["call"], asked["value"]) == ("announce", "0")
    sealed = await console.post("/api/provide/seal", signature=wallet.sign(asked["typed_data"]))
    await wallet.send(sealed["transaction"])
    await until(lambda: up.node is not None and up.node.profile.offers[0].price.output == 9 * 10**13)
    assert (await console.post("/api/provide/draft", **dearer))["call"] == ""
    kept = load(None, {"data_dir": up.settings.data_dir})
    assert kept.offer.price_out == 9 * 10**13


async def test_models_and_the_router_from_the_console(fresh: tuple[Up, Console, Wallet], tmp_path: Path) -> None:
    up, console, _ = fresh
    (tmp_path / "models").mkdir()
    for path in ("/nowhere", str(tmp_path / "models")):
        assert (await console.call("POST", "/api/provide/find", {"path": path})).json()["error"] == "MODEL_MISSING"
    (tmp_path / "models" / "broken.gguf").write_bytes(b"GGUF")
    answer = await console.call("POST", "/api/provide/find", {"path": str(tmp_path / "models")})
    found: list[dict[str, Any]] = answer.json()["found"]
    assert [(one["name"], one["fits"]) for one in found] == [("broken", "red")]
    for option in ("key_file", "key_env", "manifest", "tokenizer"):
        engine = {"kind": "upstream", "options": {"url": "http://127.0.0.1:9", option: "/etc/hostname"}}
        answer = await console.call("POST", "/api/provide/use", {"engine": engine})
        assert (answer.json()["error"], answer.json()["setting"]) == ("BAD_SETTINGS", f"engine.options.{option}")
    changed = await console.post("/api/provide/use", engine={"kind": "echo", "options": {"rate": 7}})
    assert changed["engine"]["engine"]["options"] == {"rate": 7}
    assert load(None, {"data_dir": up.settings.data_dir}).engine.options == {"rate": 7}
    opened = await console.post("/api/provide/port", on=True)
    assert opened["router"]["open"] and opened["endpoint"].startswith("ws://203.0.113.7:")
    assert (await console.get("/api/provide"))["endpoint"] == opened["endpoint"]
    closed = await console.post("/api/provide/port", on=False)
    assert closed["router"] is None and not load(None, {"data_dir": up.settings.data_dir}).router.map_port


async def test_a_chain_not_announced_yet_opens_nothing_of_the_others(pair: Pair) -> None:
    console = Console(pair.second)
    await console.pair()
    wishes = {"owner": "0x" + "66" * 20, "price_out": "0.00003", "endpoint": "wss://evil.example"}
    folder = pair.up.settings.data_dir
    first = (folder / "announced.json").rename(folder / "away.json")
    steps: list[tuple[str, dict[str, Any]]] = [
        ("draft", wishes), ("seal", {"signature": "0x00"}), ("port", {"on": True}), ("use", {"engine": {}}),
        ("find", {"path": "/etc"}),
    ]  # fmt: skip
    for path, body in steps:
        refused = await console.call("POST", f"/api/provide/{path}", body)
        assert (refused.json()["error"], refused.json()["chain"]) == ("OWNER_NEEDED", "other")
    first.rename(folder / "announced.json")
    # the owner on a later chain changes what is that chain's
    owner = "0x" + pair.second.provider.hex()
    text = (await console.post("/api/owner/message", account=owner, chain="other"))["message"]
    await console.post("/api/owner/sign-in", message=text, signature=signed(text, pair.second.world.owner_key))
    await console.post("/api/provide/draft", **{**wishes, "owner": owner}, chain="other")
    kept = load(None, {"data_dir": folder})
    assert kept.listen.endpoint is None and kept.offer.price_out != 3 * 10**13
    assert (await console.call("POST", "/api/provide/port", {"on": True})).json()["error"] == "OWNER_NEEDED"
    await console.http.aclose()


async def test_nobody_goes_these_steps_without_a_bearer(fresh: tuple[Up, Console, Wallet]) -> None:
    _, console, wallet = fresh
    console.bearer = ""
    for path in ("check", "find", "market", "use", "port", "draft", "seal"):
        assert (await console.call("POST", f"/api/provide/{path}", {"owner": wallet.hexed})).status_code == 401
    assert (await console.call("GET", "/api/provide")).json()["code"] == int(Code.NOT_PAIRED)
