"""close, requestClose and withdraw: every way out."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from tests.contracts.world import DAY, MAX, NO_SALT, THIEF, Leaf, State, World


def close(world: World, *arguments: object, sender: str) -> tuple[int, int]:
    """Close; returns what payee and payer got."""
    before = [world.machine.balance(each) for each in (world.payee, world.payer)]
    world.channels.send("close", *arguments, sender=sender)
    payee, payer = (
        world.machine.balance(each) - old for each, old in zip((world.payee, world.payer), before, strict=True)
    )
    return payee, payer


def test_close_pays_both_and_ends(world: World) -> None:
    config = world.open(deposit=1000)
    record = world.record(config, 300)
    assert close(world, world.payee, record, sender=world.operator) == (300, 700)
    assert world.state(config) == State(1000, 300, 1)
    assert world.held() == 0


def test_close_tells_what_it_paid(world: World) -> None:
    config = world.open(deposit=1000)
    world.claim(world.record(config, 100))
    receipt = world.channels.send("close", world.payee, world.record(config, 300), sender=world.operator)
    assert world.channels.events(receipt) == [("Closed", {"id": world.id(config), "paid": 200, "refund": 700})]


def test_close_pays_at_most_the_deposit(world: World) -> None:
    config = world.open(deposit=1000)
    assert close(world, world.payee, world.record(config, 2**256 - 1), sender=world.operator) == (1000, 0)


@pytest.mark.parametrize("total", [0, 299, 300])
def test_a_total_not_above_what_was_paid_needs_no_signature(world: World, total: int) -> None:
    config = world.open(deposit=1000)
    world.claim(world.record(config, 300))
    record = world.record(config, total)._replace(sig=b"")
    assert close(world, world.payee, record, sender=world.operator) == (0, 700)
    assert world.state(config) == State(1000, 300, 1)


def test_a_higher_total_needs_the_session_key(world: World) -> None:
    config = world.open(deposit=1000)
    world.claim(world.record(config, 300))
    record = world.record(config, 301)
    wrong = [
        record._replace(sig=b""),
        record._replace(cumulative=302),
        record._replace(cumulative=MAX + 5),
        world.record(config, 301, key=THIEF),
        record._replace(sig=world.sign(config, world.second, 301)),
        record._replace(sig=world.sign(config, world.payee, 301, chainId=world.chain_id + 1)),
    ]
    for each in wrong:
        assert world.channels.refusal("close", world.payee, each, sender=world.operator) == "signature"
    assert close(world, world.payee, record, sender=world.operator) == (1, 699)


def test_only_the_closer_closes(world: World) -> None:
    config = world.open(deposit=1000)
    record = world.record(config, 300)
    for sender in (world.payee, world.payer, world.stranger):
        assert world.channels.refusal("close", world.payee, record, sender=sender) == "closer"


def test_the_closer_cannot_name_another_payee(world: World) -> None:
    config = world.open(deposit=1000)
    record = world.record(config, 300, Leaf(world.operator, world.operator))
    assert world.channels.refusal("close", world.operator, record, sender=world.operator) == "closer"


def test_a_record_with_a_proof_closes_nothing(world: World) -> None:
    config = world.open(deposit=1000)
    record = world.record(config, 300)
    for proof in ((bytes(32),), (world.only.hash,)):
        longer = record._replace(proof=proof)
        assert world.channels.refusal("close", world.payee, longer, sender=world.operator) == "closer"
    assert close(world, world.payee, record, sender=world.operator) == (300, 700)


def test_a_payee_can_be_its_own_closer(world: World) -> None:
    leaf = Leaf(world.payee, world.payee, keccak(text="own"))
    config = world.open(world.config(root=leaf.hash), deposit=1000)
    record = world.record(config, 300, leaf)
    assert world.channels.refusal("close", world.payee, record._replace(leaf_salt=NO_SALT), sender=world.payee)
    assert close(world, world.payee, record, sender=world.payee) == (300, 700)


def test_close_works_after_expiry_and_only_once(world: World) -> None:
    config = world.open(deposit=1000, life=2 * DAY)
    world.machine.travel(world.state(config).expiry + 1)
    record = world.record(config, 300)
    assert close(world, world.payee, record, sender=world.operator) == (300, 700)
    assert world.channels.refusal("close", world.payee, record, sender=world.operator) == "ended"
    assert world.channels.refusal("withdraw", config, sender=world.payer) == "ended"
    assert world.channels.refusal("requestClose", config, sender=world.payer) == "ended"
    assert world.claim(world.record(config, 900)) == 0


def test_close_of_an_unknown_channel(world: World) -> None:
    record = world.record(world.config(), 0)
    assert world.channels.refusal("close", world.payee, record, sender=world.operator) == "ended"


@pytest.mark.parametrize("who", ["payer", "signer"])
def test_a_request_brings_the_expiry_to_now_and_the_delay(world: World, who: str) -> None:
    sender = world.payer if who == "payer" else world.second
    config = world.open(world.config(signer=world.second, delay=3600), deposit=1000)
    receipt = world.channels.send("requestClose", config, sender=sender)
    soon = world.machine.now() + 3600
    assert world.state(config) == State(1000, 0, soon)
    assert world.channels.events(receipt) == [("CloseRequested", {"id": world.id(config), "expiry": soon})]


def test_a_request_keeps_what_was_claimed(world: World) -> None:
    config = world.open(deposit=1000)
    world.claim(world.record(config, 300))
    world.channels.send("requestClose", config, sender=world.payer)
    assert world.state(config)[:2] == (1000, 300)


def test_a_later_request_never_extends_and_still_logs(world: World) -> None:
    config = world.open()
    world.channels.send("requestClose", config, sender=world.payer)
    soon = world.state(config).expiry
    for moment in (soon - 10, soon + DAY):
        world.machine.travel(moment)
        receipt = world.channels.send("requestClose", config, sender=world.payer)
        assert world.channels.events(receipt) == [("CloseRequested", {"id": world.id(config), "expiry": soon})]
        assert world.state(config).expiry == soon


def test_nobody_else_requests(world: World) -> None:
    config = world.open()
    for sender in (world.payee, world.operator, world.stranger):
        assert world.channels.refusal("requestClose", config, sender=sender) == "payer"


def test_a_request_for_an_unknown_channel(world: World) -> None:
    assert world.channels.refusal("requestClose", world.config(), sender=world.payer) == "ended"


def test_withdraw_returns_the_rest_to_the_payer_whoever_calls(world: World) -> None:
    config = world.open(deposit=1000)
    world.claim(world.record(config, 300))
    world.channels.send("requestClose", config, sender=world.payer)
    expiry = world.state(config).expiry
    world.machine.travel(expiry - 1)
    assert world.channels.refusal("withdraw", config, sender=world.payer) == "early"
    before = world.machine.balance(world.payer)
    world.machine.travel(expiry)
    receipt = world.channels.send("withdraw", config, sender=world.stranger)
    assert world.machine.now() == expiry
    assert world.machine.balance(world.payer) == before + 700
    assert world.channels.events(receipt) == [("Closed", {"id": world.id(config), "paid": 0, "refund": 700})]
    assert world.state(config) == State(1000, 300, 1)
    assert world.held() == 0


def test_withdraw_ends_a_channel_with_nothing_left(world: World) -> None:
    config = world.open(deposit=1000, life=2 * DAY)
    world.claim(world.record(config, 1000))
    world.machine.travel(world.state(config).expiry)
    world.channels.send("withdraw", config, sender=world.stranger)
    assert world.state(config) == State(1000, 1000, 1)
    assert world.channels.refusal("withdraw", config, sender=world.stranger) == "ended"


def test_withdraw_of_an_unknown_channel(world: World) -> None:
    assert world.channels.refusal("withdraw", world.config(), sender=world.payer) == "ended"


def test_the_words_of_many_channels(world: World) -> None:
    opened, ended, never = world.open(), world.open(), world.config()
    world.channels.send("close", world.payee, world.record(ended, 40), sender=world.operator)
    ids = [world.id(each) for each in (opened, ended, never)]
    words = world.channels.call("channelsOf", ids)
    assert list(words) == [world.channels.call("channels", each) for each in ids]
    assert [word >> 224 for word in words] == [world.state(opened).expiry, 1, 0]
    assert len(world.channels.call("channelsOf", ids[:1] * 100)) == 100
    assert world.channels.refusal("channelsOf", ids[:1] * 101, sender=world.stranger) == ""
    assert world.channels.call("channelsOf", []) == ()


def test_nothing_but_open_and_top_up_takes_money(world: World) -> None:
    config = world.open(deposit=1000, life=2 * DAY)
    send = {"value": 1}
    assert world.channels.refusal("close", world.payee, world.record(config, 0), sender=world.operator, **send) == ""
    assert world.channels.refusal("requestClose", config, sender=world.payer, **send) == ""
    world.machine.travel(world.state(config).expiry)
    assert world.channels.refusal("withdraw", config, sender=world.payer, **send) == ""
