"""The life of a channel on a fresh chain, told for `docs/topics/life-of-a-channel.md`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from contracts.anvil import running
from contracts.machine import ETHER
from contracts.reference import table
from contracts.scene import DAY, SESSION, ZERO, Config, Scene
from contracts.teller import Teller

TEMPLATE = Path(__file__).resolve().parent / "life-of-a-channel.md"
DEPOSIT = ETHER // 100
FIRST, SECOND = 12 * 10**14, 30 * 10**14
COINS = 10**6
GAS = re.compile(r"\*\*([\d,]+) gas\*\*")
Blocks = dict[str, str]


def life(scene: Scene, teller: Teller) -> Blocks:
    """Story 1: open, top up, claim, request close, claim while closing, withdraw."""
    config, payer, payee, operator = scene.config(), scene.payer, scene.payee, scene.operator
    blocks = {"id": f"`0x{scene.id(config).hex()}`"}
    before = [scene.chain.balance(account) for account in (payer, payee)]

    def claim(total: int, sender: str) -> str:
        records = [scene.voucher(config, total)]
        return teller.step("claim", payee, operator, ZERO, records, sender=sender, of=config)

    blocks["open"] = teller.step("open", config, scene.expiry(), DEPOSIT, sender=payer, value=DEPOSIT, of=config)
    extra = DEPOSIT // 2
    blocks["top_up"] = teller.step("topUp", config, 0, extra, sender=payer, value=extra, of=config)
    blocks["voucher"] = teller.voucher(scene.voucher(config, FIRST), payee)
    blocks["claim"] = claim(FIRST, operator)
    blocks["request_close"] = teller.step("requestClose", config, sender=payer, of=config)
    blocks["claim_closing"] = claim(SECOND, payee)
    scene.chain.travel(scene.chain.now() + DAY)
    blocks["withdraw"] = teller.step("withdraw", config, sender=payer, of=config)
    paid = scene.chain.balance(payee) - before[1]
    spent = before[0] - scene.chain.balance(payer)
    assert (paid, spent) == (SECOND, SECOND), "the sums do not add up"
    blocks |= {"life_in": f"{DEPOSIT + extra:,}", "life_paid": f"{paid:,}"}
    blocks["life_refund"] = f"{DEPOSIT + extra - paid:,}"
    blocks["after_end"] = refusals(scene, config)
    return blocks


def refusals(scene: Scene, config: Config) -> str:
    """What comes back when anybody tries again."""
    closing = scene.voucher(config, SECOND + 1)
    expiry = scene.expiry()
    tries: list[tuple[str, tuple[Any, ...], str, int]] = [
        ("open", (config, expiry, 1), scene.payer, 1),
        ("topUp", (config, 0, 1), scene.payer, 1),
        ("requestClose", (config,), scene.payer, 0),
        ("withdraw", (config,), scene.payer, 0),
        ("close", (scene.payee, closing), scene.operator, 0),
    ]
    rows = [
        (f"`{name}`", f"`{scene.channels.refusal(name, *values, sender=sender, value=value)}`")
        for name, values, sender, value in tries
    ]
    paid = scene.channels.call("claim", scene.payee, scene.operator, ZERO, [closing])
    return table(("call", "answer"), *rows, ("`claim`", f"pays {paid}"))


def cooperative(scene: Scene, teller: Teller) -> Blocks:
    """Story 2: open and close."""
    config = scene.config()
    opened = teller.step("open", config, scene.expiry(), DEPOSIT, sender=scene.payer, value=DEPOSIT, of=config)
    last = scene.voucher(config, FIRST)
    closed = teller.step("close", scene.payee, last, sender=scene.operator, of=config)
    return {"open_2": opened, "close": closed, "session_1000_prompts": f"{gas_of(opened) + gas_of(closed):,}"}


def kraft(scene: Scene, teller: Teller) -> Blocks:
    """Story 3: a payee at depth 4."""
    place, payer = scene.among_16, scene.payer
    config = scene.config(place)
    cap = DEPOSIT >> len(place.proof)

    def claim(total: int) -> str:
        records = [scene.voucher(config, total, place)]
        return teller.step("claim", place.payee, place.closer, ZERO, records, sender=scene.operator, of=config)

    blocks = {
        "open_3": teller.step("open", config, scene.expiry(), DEPOSIT, sender=payer, value=DEPOSIT, of=config),
        "claim_3": claim(cap // 2),
    }
    held = scene.channels.call("claimedBy", scene.id(config), place.payee)
    blocks["claimed_by"] = f"`claimedBy(id, payee)` is now {held:,}."
    blocks["claim_3_cap"] = claim(DEPOSIT)
    assert scene.channels.call("claimedBy", scene.id(config), place.payee) == cap
    scene.chain.travel(scene.chain.now() + 30 * DAY)
    blocks["withdraw_3"] = teller.step("withdraw", config, sender=payer, of=config)
    return blocks


def in_a_token(scene: Scene, teller: Teller) -> Blocks:
    """Story 4: a permit, and the close."""
    holder = scene.holder.address
    scene.coin.send("mint", holder, 100 * COINS, sender=scene.payer)
    config = scene.config(payer=holder, token=scene.coin.address)
    scene.chain.give(holder, ETHER)
    with scene.chain.impersonating():
        arguments = (config, scene.expiry(), 10 * COINS, *scene.permit(10 * COINS))
        opened = teller.step("openPermit", *arguments, sender=holder, of=config)
    closed = teller.step("close", scene.payee, scene.voucher(config, 3 * COINS), sender=scene.operator, of=config)
    return {"open_4": opened, "close_4": closed}


def cast(scene: Scene, teller: Teller) -> str:
    """Who is who."""
    roles = {
        scene.payer: "a person; opens channels and gets back what is left",
        SESSION.address: "made in the page for this channel alone; signs vouchers, holds nothing",
        scene.payee: "the provider's account for money; its key can stay cold",
        scene.operator: "the provider's node: the *closer*; pays gas, never receives the money",
        scene.holder.address: "another payer, who has a token",
        scene.coin.address: "an ERC-20 of six decimals",
        scene.channels.address: "the contract",
    }
    names = [(teller.names[address.lower()], address, said) for address, said in roles.items()]
    return table(("who", "address", "what it does"), *((name, f"`{address}`", said) for name, address, said in names))


def costs(stories: dict[str, Blocks]) -> str:
    """The gas of all steps that were told, in their order."""
    rows = [
        (name, f"`{block.split('`')[1]}`", f"{gas_of(block):,}")
        for name, blocks in stories.items()
        for block in blocks.values()
        if GAS.search(block)
    ]
    return table(("story", "step", "gas"), *rows)


def gas_of(block: str) -> int:
    """The gas that a told step used."""
    found = GAS.search(block)
    assert found is not None
    return int(found[1].replace(",", ""))


def story() -> str:
    """The page. Raises SystemExit where template and story do not name the same blocks."""
    with running() as chain:
        scene = Scene(chain)
        names = {
            scene.payer: "payer",
            scene.payee: "payee",
            scene.operator: "operator",
            SESSION.address: "session key",
            scene.holder.address: "holder",
            scene.coin.address: "coin",
            scene.channels.address: "Channels",
        }
        teller = Teller(scene, names)
        tellers = {"1 to withdrawal": life, "2 closed": cooperative, "3 Kraft": kraft, "4 token": in_a_token}
        stories = {name: tell(scene, teller) for name, tell in tellers.items()}
        blocks = {"costs": costs(stories), "cast": cast(scene, teller)}
        for told in stories.values():
            blocks |= told
    text = TEMPLATE.read_text(encoding="utf-8")
    if differ := set(re.findall(r"{{(\w+)}}", text)) ^ blocks.keys():
        raise SystemExit(f"{TEMPLATE.name} and contracts/story.py differ in {sorted(differ)}")
    return re.sub(r"{{(\w+)}}", lambda found: blocks[found[1]], text)
