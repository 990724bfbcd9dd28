"""Nothing that was signed or sent for one channel, chain or contract is good for another, or twice; nor is haste."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_account.messages import encode_typed_data

from contracts import anvil
from contracts.machine import Reverted
from tests.contracts.coins import authorize, coin, owner
from tests.contracts.pyevm import PyEvm
from tests.contracts.world import DAY, SESSION, VOUCHER, ZERO, Config, Leaf, State, World, pack


def both(world: World, config: Config, total: int = 300) -> int:
    """What a voucher brings in either form."""
    record = world.record(config, total)
    return world.claim(record) + world.claim_packed(pack(record))


# --- in front of somebody's transaction ---


def test_an_open_cannot_be_taken_over(world: World) -> None:
    """A copy with the thief as payer is another channel, paid by the thief; the victim's own still opens."""
    config = world.config()
    arguments = (world.machine.now() + 9 * DAY, 1000)
    thief = {"sender": world.stranger, "value": 1000}
    assert world.channels.refusal("open", config, *arguments, **thief) == "payer"
    world.channels.send("open", config._replace(payer=world.stranger), *arguments, **thief)
    world.channels.send("open", config, *arguments, sender=world.payer, value=1000)
    assert world.id(config) != world.id(config._replace(payer=world.stranger))
    assert world.claim(world.record(config, 300)) == 300


def test_a_claim_in_front_of_a_claim_pays_the_same_payee(world: World) -> None:
    config = world.open(deposit=1000)
    low, high = world.record(config, 100), world.record(config, 300)
    assert world.claim(high, sender=world.stranger) == 300
    assert world.claim(low, sender=world.operator) == 0
    assert world.claim(high, sender=world.operator) == 0
    assert world.state(config).claimed == 300


def test_an_old_voucher_in_front_of_a_close_changes_nothing(world: World) -> None:
    """The payer claims the lowest voucher for the payee; the close still pays up to the highest."""
    config = world.open(deposit=1000)
    assert world.claim(world.record(config, 100), sender=world.payer) == 100
    before = world.machine.balance(world.payee)
    world.channels.send("close", world.payee, world.record(config, 900), sender=world.operator)
    assert world.machine.balance(world.payee) == before + 800


def test_a_withdrawal_cannot_come_before_the_claims_that_a_request_lets_in(world: World) -> None:
    """The payer leaves with vouchers outstanding: the whole delay is there to claim them, to its last second."""
    config = world.open(deposit=1000)
    world.channels.send("requestClose", config, sender=world.payer)
    end = world.state(config).expiry
    assert end == world.machine.now() + config.delay
    for moment in (world.machine.now() + 1, end - 2):
        world.machine.travel(moment)
        assert world.channels.refusal("withdraw", config, sender=world.payer) == "early"
    world.machine.travel(end - 1)
    assert world.claim(world.record(config, 900)) == 900
    world.channels.send("withdraw", config, sender=world.payer)
    assert world.held() == 0


def test_a_stranger_in_front_can_only_add(world: World) -> None:
    """A top-up before the payer's own, or before a close, gives money away."""
    config = world.open(deposit=1000)
    world.channels.send("topUp", config, 0, 500, sender=world.stranger, value=500)
    world.channels.send("topUp", config, 0, 500, sender=world.payer, value=500)
    assert world.state(config).deposit == 2000


def test_a_closer_in_league_with_the_payer_can_forfeit_but_not_redirect(world: World) -> None:
    """What a stolen operator key can do: end the channel low. What was claimed by then stays the payee's."""
    config = world.open(deposit=1000)
    assert world.claim(world.record(config, 300)) == 300
    for payee in (world.operator, world.payer, world.stranger):
        for leaf in (Leaf(payee, world.operator), Leaf(payee, payee)):
            record = world.record(config, 900, leaf)
            assert world.channels.refusal("close", payee, record, sender=world.operator) == "closer"
            assert world.claim(record, leaf=leaf) == 0
    before = world.machine.balance(world.payee), world.machine.balance(world.payer)
    world.channels.send("close", world.payee, world.record(config, 0), sender=world.operator)
    after = world.machine.balance(world.payee), world.machine.balance(world.payer)
    assert after == (before[0], before[1] + 700)


def test_a_stolen_session_key_pays_only_the_payees_and_only_their_caps(world: World) -> None:
    """It signs what it likes: whoever is not in the tree gets nothing, and the true payer can end it."""
    config = world.open(deposit=1000)
    thief = Leaf(world.stranger, world.stranger)
    assert world.claim(world.record(config, 1000, thief), leaf=thief) == 0
    assert world.channels.refusal("close", thief.payee, world.record(config, 9, thief), sender=thief.closer) == "closer"
    assert world.claim(world.record(config, 2**256 - 1)) == 1000


# --- once more, elsewhere ---


def test_a_channel_that_is_over_cannot_be_opened_for_its_old_vouchers(world: World) -> None:
    config = world.open(deposit=1000, life=2 * DAY)
    record = world.record(config, 900)
    world.machine.travel(world.state(config).expiry)
    world.channels.send("withdraw", config, sender=world.payer)
    arguments = (world.machine.now() + 9 * DAY, 1000)
    assert world.channels.refusal("open", config, *arguments, sender=world.payer, value=1000) == "exists"
    again = world.open(config._replace(salt=bytes(32)), deposit=1000)
    assert world.claim(record, record._replace(config=again)) == 0
    assert world.claim_packed(pack(record), pack(record._replace(config=again))) == 0


def test_an_end_for_nothing_is_an_end_too(world: World) -> None:
    """A channel closed in the block after it opened leaves a tombstone as any other."""
    config = world.open(deposit=1000)
    world.channels.send("close", world.payee, world.record(config, 0), sender=world.operator)
    arguments = (world.machine.now() + 9 * DAY, 1000)
    assert world.channels.refusal("open", config, *arguments, sender=world.payer, value=1000) == "exists"
    assert both(world, config) == 0
    assert world.state(config) == State(1000, 0, 1)


def test_a_second_deployment_knows_nothing_of_the_first(world: World) -> None:
    """The same configuration, payer and keys in two contracts: ids differ, and no voucher passes."""
    other = World(world.machine)
    assert other.channels.address != world.channels.address
    config = world.open(deposit=1000)
    other.open(config, deposit=1000)
    assert world.id(config) != other.id(config)
    record, stranger = world.record(config, 300), other.record(config, 300)
    assert other.claim(record) == world.claim(stranger) == 0
    assert other.claim_packed(pack(record)) == world.claim_packed(pack(stranger)) == 0
    # even one over the other's id, or in the other's domain, is of neither
    message = {"channelId": world.id(config), "payee": world.payee, "cumulative": 300}
    domain = {"name": "Tallystick Channels", "version": "1", "chainId": world.chain_id}
    domain["verifyingContract"] = other.channels.address
    mixed = SESSION.sign_message(encode_typed_data(domain_data=domain, message_types=VOUCHER, message_data=message))
    wrong = record._replace(sig=bytes(mixed.signature))
    assert world.claim(wrong) == other.claim(wrong) == 0
    assert world.claim(record) == other.claim(stranger) == 300


def test_an_authorisation_for_one_contract_opens_nothing_in_another(world: World) -> None:
    """Each contract hands in what names itself, and the nonce is of its own id."""
    other, token = World(world.machine), coin(world)
    owner(world, token)
    config = world.config(payer=owner(world, token), token=token.address)
    expiry = world.machine.now() + 9 * DAY
    arguments = (config, expiry, 1000, *authorize(world, token, config, expiry, 1000))
    assert other.channels.refusal("openAuthorized", *arguments, sender=world.stranger) == "signature"
    world.channels.send("openAuthorized", *arguments, sender=world.stranger)
    assert (world.held(token.address), other.held(token.address)) == (1000, 0)


@pytest.fixture
def elsewhere() -> PyEvm:
    """Another chain, where everything gets the same addresses."""
    machine = PyEvm()
    machine.set_chain_id(8453)
    return machine


def test_the_same_address_on_another_chain(elsewhere: PyEvm) -> None:
    """Deployed alike on two chains, as the usual deployer does it: no voucher, no id and no authorisation passes."""
    here, there = World(PyEvm()), World(elsewhere)
    assert here.channels.address == there.channels.address
    assert here.chain_id != there.chain_id
    config = here.config()
    for world in (here, there):
        world.open(config, deposit=1000)
    assert here.id(config) != there.id(config)
    record = here.record(config, 300)
    assert there.claim(record) == there.claim_packed(pack(record)) == 0
    assert here.claim(record) == 300


@pytest.fixture
def forking() -> Iterator[anvil.Anvil]:
    with anvil.running() as chain:
        yield chain


def test_after_a_fork_packed_vouchers_and_closes_follow_the_new_chain_id(forking: anvil.Anvil) -> None:
    """As in test_claim on py-evm; here on revm, in the other two ways to be paid."""
    world = World(forking)
    first, second = world.open(deposit=1000), world.open(deposit=1000)
    old = [world.record(config, 300) for config in (first, second)]
    ids = [world.id(config) for config in (first, second)]
    payees = (world.payee, world.operator, ZERO)
    forking.rpc("anvil_setChainId", world.chain_id + 1)
    assert [bytes(world.channels.call("idOf", config)) for config in (first, second)] == ids
    # asked, not sent: anvil's own accounts go on signing for the old chain
    claim, packed = (("claim", *payees), ("claimPacked", *payees))
    assert world.channels.call(*claim, old) == world.channels.call(*packed, list(map(pack, old))) == 0
    with pytest.raises(Reverted, match="signature"):
        world.channels.call("close", world.payee, old[1], sender=world.operator)
    new = [
        record._replace(sig=world.sign(config, world.payee, 300, chainId=world.chain_id + 1))
        for config, record in zip((first, second), old, strict=True)
    ]
    assert world.channels.call(*claim, new) == world.channels.call(*packed, list(map(pack, new))) == 600
    world.channels.call("close", world.payee, new[1], sender=world.operator)


def test_a_batch_for_one_payee_pays_no_other(world: World) -> None:
    """Somebody else's good record in the batch is skipped, not paid to the payee of the batch."""
    mine = world.open(deposit=1000)
    theirs_leaf = Leaf(world.second, world.operator)
    theirs = world.open(world.config(root=theirs_leaf.hash), deposit=1000)
    record = world.record(theirs, 300, theirs_leaf)
    assert world.claim(world.record(mine, 7), record) == 7
    assert world.claim_packed(pack(record), pack(world.record(mine, 9))) == 2
    assert world.channels.call("claim", ZERO, ZERO, ZERO, [record]) == 0
