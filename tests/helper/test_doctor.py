"""The doctor on a real node: all well, each fault found with its mend, and nothing opened without consent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.doctor import CHECKS, Check, Finding, Patient, State, Told, examine
from tallystick_helper.doctor.finding import bad, fine
from tallystick_helper.doctor.paid import OwnPayer
from tallystick_helper.keys import Secret
from tallystick_helper.renting import Renting
from tallystick_helper.settings import Settings
from tallystick_helper.terminal import Consent
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_hex

from .shell import Shell
from .world import ETHER, PRICE_OUT, Serving, World, serving


def settings_of(provider: Serving, **changes: object) -> Settings:
    """The node's own, as its owner wrote them: with the address that it published."""
    assert provider.up.public is not None
    listen = {"endpoint": f"ws://127.0.0.1:{provider.up.public.port}"}
    return provider.world.settings(listen=listen, **changes)


async def look(provider: Serving, settings: Settings | None = None, payer: OwnPayer | None = None) -> dict[str, Told]:
    settings = settings or settings_of(provider)
    patient = Patient(settings, provider.world.crypto, HttpRpc(settings.chain.rpc), payer=payer)
    try:
        return {told.check.name: told for told in await examine(CHECKS, patient)}
    finally:
        await patient.aclose()


def states(told: dict[str, Told]) -> dict[str, str]:
    return {name: one.finding.state.value for name, one in told.items()}


async def test_a_good_node_pays_itself_a_question(provider: Serving) -> None:
    settings, key = settings_of(provider), Secret(provider.world.user_key)
    payer = OwnPayer(settings, key, ETHER // 100, Consent(yes=True))
    told = await look(provider, settings, payer)
    found = states(told)
    assert found.pop("disk") in ("ok", "doubt")  # a test's folder may be in memory
    assert found.pop("endpoint") == "doubt"  # nobody outside can reach 127.0.0.1
    assert found.pop("outside") == "skipped"  # there is no other node to ask
    assert set(found.values()) == {"ok"}, [one.finding for one in told.values()]
    paid = told["paid"].finding.values
    assert paid["units"] > 0 and int(paid["amount"]) > 0
    rows = await provider.node.ledger.live_channels()
    assert [row.voucher.amount for row in rows] == [int(paid["amount"])]
    # The deposit is there now: a second time needs neither a key nor a word.
    again = await look(provider, settings, OwnPayer(settings, None, 0, Consent()))
    assert again["paid"].finding.state is State.OK


async def test_nothing_is_opened_without_consent(provider: Serving) -> None:
    settings = settings_of(provider)
    for key, state in ((None, State.BAD), (Secret(provider.world.user_key), State.SKIPPED)):
        told = await look(provider, settings, OwnPayer(settings, key, ETHER // 100, Consent()))
        assert told["paid"].finding.state is state
        assert told["paid"].finding.mend
    assert await provider.node.ledger.live_channels() == []


async def test_each_fault_has_its_line_and_its_mend(provider: Serving) -> None:
    world = provider.world
    dearer = settings_of(provider, offer={"price_out": PRICE_OUT * 2})
    await world.rpc.request("anvil_setBalance", [to_hex(provider.node.identity.operator), "0x1"])
    told = await look(provider, dearer)
    assert told["gas"].finding.state is State.BAD and "0x" in told["gas"].finding.mend
    assert told["announcement"].finding.values["differ"] == ["window", "offers"]
    await provider.up.stop()
    told = await look(provider)
    assert told["endpoint"].finding.state is State.BAD
    assert "tallystick up" in told["endpoint"].finding.mend
    assert told["paid"].finding.state is State.SKIPPED
    (world.folder / "node" / "keys" / "operator.key").unlink()
    told = await look(provider)
    assert "other keys" in told["registered"].finding.says
    await world.rpc.request("anvil_setCode", [to_hex(world.where.registry), "0x"])
    told = await look(provider)
    assert told["contracts"].finding.state is State.BAD
    assert told["registered"].finding.state is State.SKIPPED


async def test_another_node_dials_it(provider: Serving) -> None:
    world = provider.world
    owner, world.owner_key = world.owner_key, b"\x33" * 32
    await world.fund(world.owner_key)
    async with serving(world, "other"):
        world.owner_key = owner
        told = await look(provider)
        assert told["outside"].finding.state is State.OK, told["outside"].finding
    # Nobody is left to be asked, or whoever is listed does not answer: that is no fault of this node.
    assert (await look(provider))["outside"].finding.state is State.SKIPPED


async def test_who_is_not_registered_is_told_so(world: World) -> None:
    settings = world.settings("fresh", engine={"kind": "none"})
    patient = Patient(settings, world.crypto, HttpRpc(settings.chain.rpc))
    told = {one.check.name: one.finding for one in await examine(CHECKS, patient)}
    await patient.aclose()
    assert told["model"].state is State.BAD
    assert told["registered"].state is State.BAD and "provide" in told["registered"].mend
    assert told["announcement"].state is State.SKIPPED


async def test_a_check_that_breaks_stops_no_other(tmp_path: Path) -> None:
    async def breaks(patient: Patient) -> Finding:
        raise ZeroDivisionError

    async def refuses(patient: Patient) -> Finding:
        raise LocalError(Code.MODEL_MISSING, path="x")

    async def hangs(patient: Patient) -> Finding:
        import asyncio

        await asyncio.Event().wait()
        return fine("never")

    async def good(patient: Patient) -> Finding:
        return fine("good")

    checks = [
        Check("breaks", "Breaks", breaks),
        Check("refuses", "Refuses", refuses),
        Check("hangs", "Hangs", hangs, patience=0.01),
        Check("rests", "Rests", good, ("hangs",)),
        Check("good", "Good", good),
    ]
    told = await examine(checks, Patient(Settings(data_dir=tmp_path), None))  # type: ignore[arg-type]
    assert [one.finding.state.value for one in told] == ["bad", "bad", "bad", "skipped", "ok"]
    assert told[1].values() == {
        "check": "refuses",
        "state": "bad",
        "seconds": round(told[1].seconds, 3),
        "error": "MODEL_MISSING",
        "path": "x",
        "says": LocalError(Code.MODEL_MISSING).says,
        "mend": LocalError(Code.MODEL_MISSING).next_step,
    }
    assert bad("a", "b").mend == "b"


@pytest.mark.parametrize("urls", [[], ["http://127.0.0.1:9"]])
async def test_the_chain_is_named_and_answers(world: World, urls: list[str]) -> None:
    settings = world.settings(chain={"rpc": urls})
    patient = Patient(settings, world.crypto, HttpRpc(urls) if urls else None)
    told = {one.check.name: one.finding for one in await examine([c for c in CHECKS if c.name == "rpc"], patient)}
    await patient.aclose()
    assert told["rpc"].state is State.BAD


async def test_a_paused_node_is_a_line_to_mend(world: World) -> None:
    settings = world.settings("node")
    patient = Patient(settings, world.crypto)
    check = [one for one in CHECKS if one.name == "renting"]
    assert (await examine(check, patient))[0].finding.state is State.OK
    Renting(settings.data_dir, settings.renting).pause()
    (told,) = await examine(check, patient)
    assert told.finding.state is State.BAD and "tallystick resume" in told.finding.mend


async def test_as_a_command(world: World) -> None:
    shell = Shell(world)
    shown, _ = await shell.text("doctor", "--engine", "echo", code=1)
    assert "BAD   Registered" in shown and "Run `tallystick provide`" in shown and "1 to mend: registered" in shown
