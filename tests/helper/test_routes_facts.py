"""What the console shows, over the admin listener and by the commands, while and after a paid request."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile

import structlog

from tallystick_helper.cli_facts import _no_line
from tallystick_helper.log_ring import RING
from tallystick_shared.evm.rpc import to_hex

from .paid import Payer
from .shell import Shell
from .test_routes_pairing import Console, console  # noqa: F401
from .world import until

CANARY = "zebra-quartz-lantern"


async def test_a_paid_request_from_its_session_to_its_earnings(console: Console) -> None:  # noqa: F811
    for path in ("models", "sessions", "hardware", "earnings", "earnings.csv", "claims", "logs", "bundle"):
        assert (await console.call("GET", f"/api/{path}")).status_code == 401
    await console.pair()
    payer = await Payer.at(console.provider)
    running = asyncio.create_task(payer.ask(CANARY, 120))
    await until(lambda: console.provider.node.working)
    found = await console.get("/api/sessions")
    (session,) = found["sessions"]
    assert session["channel"] == to_hex(payer.channel) and session["connections"] == 1
    assert session["requests"][0]["model"] == "loopback"
    assert found["queue"][0]["slots"] >= 1
    outcome = await running
    await payer.check_money()
    await until(lambda: not console.provider.node.working)
    earned = await console.get("/api/earnings?days=7")
    (row,) = earned["rows"]
    assert (row["model"], row["requests"], row["output_units"]) == ("loopback", 1, outcome.units)
    assert row["amount"] == earned["sums"][0]["today"] == earned["sums"][0]["month"] == str(outcome.amount)
    table = (await console.call("GET", "/api/earnings.csv")).text.splitlines()
    assert table[0].startswith("day,chain,token,model,device") and table[1].endswith(f",{outcome.amount}")
    claims = (await console.get("/api/claims"))["chains"][""]
    assert claims["vouchers"][0]["channel"] == to_hex(payer.channel)
    (claim,) = claims["next"]
    assert int(claim["pays"]) == int(claims["unclaimed"]) > 0 and int(claim["fee"]) == int(claim["worth_from"]) > 0
    shell = Shell(console.provider.world)
    shell.flags = ["--data-dir", str(console.provider.settings.data_dir)]
    money = (await shell.json("status"))["money"]
    assert [one["today"] for one in money["earnings"]] == [str(outcome.amount)]
    here = money["chains"][""]
    assert here["claims"][0]["pays"] == claim["pays"] and here["gas"]["claims"] > 0
    operator = "0x" + console.provider.node.identity.operator.hex()
    held = await console.provider.world.rpc.request("eth_getBalance", [operator, "latest"])
    await console.provider.world.rpc.request("anvil_setBalance", [operator, "0x0"])
    told = (await shell.text("status"))[0]
    assert "30 days" in told and "from 1 deposit" in told
    assert "none: the operator cannot claim; send" in told and operator in told
    await console.provider.world.rpc.request("anvil_setBalance", [operator, held])
    refused = await console.call("POST", "/api/claim")
    assert refused.json()["error"] == "OWNER_NEEDED"
    await console.sign_in()
    assert (await console.post("/api/claim"))["paid"] == claim["pays"]
    paid = (await console.get("/api/earnings"))["paid"]
    assert paid[0]["amount"] == claim["pays"] and paid[0]["kind"] == "claim"
    assert (await console.get("/api/claims"))["chains"][""]["next"] == []
    await payer.conversation.leave()
    assert (await shell.json("earnings"))["rows"] == earned["rows"]
    assert (await shell.text("earnings", "--csv"))[0].splitlines() == table
    assert "loopback" in (await shell.text("earnings"))[0]


async def test_models_hardware_and_the_log(console: Console) -> None:  # noqa: F811
    await console.pair()
    assert (await console.get("/api/models"))["models"][0]["model"] == "loopback"
    await until(lambda: console.provider.up.facts.history.values()["at"])
    hardware = await console.get("/api/hardware")
    assert hardware["now"]["memory_total"] > 0 and len(hardware["series"]["cpu"]) == len(hardware["at"])
    RING(None, "warning", {"event": "a_test", "level": "warning", "timestamp": "2026-11-24T00:00:00Z", "why": "canary"})
    found = await console.get("/api/logs?level=warning&search=canary")
    assert [line["says"] for line in found["lines"]] == ["a_test"]
    assert (await console.get("/api/logs?level=error&search=canary"))["lines"] == []
    assert (await console.get(f"/api/logs?after={found['lines'][0]['number']}&search=canary"))["lines"] == []


async def test_nothing_of_a_person_is_in_the_bundle(console: Console) -> None:  # noqa: F811
    provider, world = console.provider, console.provider.world
    await console.pair()
    payer = await Payer.at(provider)
    await payer.ask(CANARY, 8)
    secrets = {
        "owner": world.owner_key.hex(),
        "home": str(provider.settings.data_dir),
        "ip": "203.0.113.77",
        "ip6": "2001:db8::77",
        "wallet": "0x" + provider.provider.hex(),
        "rpc": "https://user:pass@rpc.example/v2/a-key-in-a-path?x=1",
        "bearer": "Bearer " + console.bearer,
        "mail": "someone@example.org",
    }
    log = {"event": "canaries", "level": "error", **secrets}
    RING(None, "error", log)
    answer = await console.call("GET", "/api/bundle")
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    text = "\n".join(archive.read(name).decode() for name in archive.namelist())
    names = {name.split("/")[1] for name in archive.namelist()}
    assert {"README.txt", "settings.json", "versions.json", "log.jsonl", "state.json"} <= names
    assert "canaries" in text
    for name, secret in secrets.items():
        assert secret not in text, name
    for canary in (CANARY, "a-key-in-a-path", console.bearer):
        assert canary not in text
    assert not re.search(r"0x[0-9a-fA-F]{40}", text)
    assert not re.search(r"[0-9a-fA-F]{64}", text)
    assert json.loads(archive.read("tallystick-support/state.json"))["pid"]
    await payer.conversation.leave()


async def test_the_commands_print_the_same(console: Console) -> None:  # noqa: F811
    shell = Shell(console.provider.world)
    shell.flags = ["--data-dir", str(console.provider.settings.data_dir)]
    structlog.get_logger("test").warning("said_here")
    RING(None, "warning", {"event": "said_there", "level": "warning", "timestamp": "2026-11-24T00:00:00Z"})
    lines = (await shell.json("logs", "--level", "warning", "--search", "said_there"))["lines"]
    assert [line["says"] for line in lines][-1] == "said_there"
    none = "Nothing like this is in the log of the node that runs here.\n"
    assert await shell.text("logs", "--search", "nobody said this") == (none, "")
    assert (await shell.json("logs", "--search", "nobody said this"))["lines"] == []
    assert _no_line("debug", "") == "The node that runs here has logged nothing yet."
    to = console.provider.world.folder / "support.zip"
    made = await shell.json("bundle", "--to", str(to))
    assert made["bytes"] == to.stat().st_size and oct(to.stat().st_mode)[-3:] == "600"
    assert (await shell.json("bundle", "--to", str(to), code=1))["error"] == "BAD_SETTINGS"
