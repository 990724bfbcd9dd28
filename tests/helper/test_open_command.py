"""`tallystick channel open` and `tallystick gateway key`: what the local API needs before its first request."""

from __future__ import annotations

import stat
from pathlib import Path

from tallystick_helper.cli_gateway import key_of
from tallystick_helper.keys import Secret
from tallystick_helper.open_command import open_now
from tallystick_helper.quote import Quote
from tallystick_helper.settings import Settings
from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import Code, LocalError

from ..shared.tools import refused
from .gateways import gateway
from .world import Serving


async def test_an_opened_deposit_is_what_the_local_api_spends(provider: Serving) -> None:
    world, quotes = provider.world, list[Quote]()

    async def agree(quote: Quote) -> None:
        quotes.append(quote)

    settings, key = world.settings("user"), Secret(world.user_key)
    done = await open_now(settings, key, provider.provider, "0.001", 7, NATIVE, agree)
    assert (done["models"], done["deposit"]) == (["loopback"], str(10**15))
    assert quotes[0].value == 10**15 and 0.5 < done["gas"] / quotes[0].costs[0].estimate <= 1.1
    async with gateway(world) as local:
        said = [{"role": "user", "content": "x"}]
        answer = await local.client.chat.completions.create(model="loopback", messages=said, max_tokens=1)
        assert answer.tallystick["deposit"] == done["id"]


async def test_what_is_not_agreed_to_is_not_sent(provider: Serving) -> None:
    world = provider.world

    async def refuse(quote: Quote) -> None:
        raise LocalError(Code.REFUSED)

    with refused(Code.REFUSED):
        await open_now(world.settings("user"), Secret(world.user_key), None, "0.001", 7, NATIVE, refuse)
    assert world.store().deposits() == []


def test_the_key_is_shown_and_replaced(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "admin": {"port": 7007}})
    first = key_of(settings)
    assert first["base_url"] == "http://127.0.0.1:7007/v1"
    assert key_of(settings) == first and stat.S_IMODE(Path(first["file"]).stat().st_mode) == 0o600
    assert key_of(settings, new=True)["api_key"] != first["api_key"]
    assert key_of(settings, metrics=True)["base_url"] == "http://127.0.0.1:7007/metrics"
