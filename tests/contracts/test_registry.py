"""Registry: joining, announcing, stake, leaving, and reading it all back."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from contracts.machine import Receipt, Reverted
from tests.contracts.pyevm import PyEvm
from tests.contracts.world import DAY, ETHER, World

STAKE = ETHER // 1000
GWEI = 10**9


def word(stake: int, receipt: Receipt, profile: bytes) -> int:
    """A provider's word, from its parts."""
    return (stake // GWEI << 192) | (receipt.block << 160) | int.from_bytes(keccak(profile)[12:], "big")


def block_of(packed: int) -> int:
    return packed >> 160 & 0xFFFFFFFF


def register(world: World, who: str, profile: bytes = b"profile", stake: int = STAKE) -> Receipt:
    return world.registry.send("register", profile, sender=who, value=stake)


def leave(world: World, who: str) -> Receipt:
    world.registry.send("requestExit", sender=who)
    world.machine.travel(world.machine.now() + 7 * DAY)
    return world.registry.send("exit", sender=who)


def listed(world: World) -> dict[str, int]:
    """The whole list, by page: words by address."""
    providers, words = world.registry.call("page", 0, 1000)
    assert len(set(providers)) == len(providers) == len(words) == world.registry.call("count")
    return dict(zip(providers, words, strict=True))


def test_constants(world: World) -> None:
    assert world.registry.call("minStake") == STAKE
    assert world.registry.call("exitDelay") == 7 * DAY


def test_register_lists_the_provider_and_logs_the_profile(world: World) -> None:
    receipt = register(world, world.payee, b"hello", 5 * STAKE)
    told = {"provider": world.payee.lower(), "previousBlock": 0, "profile": b"hello"}
    assert world.registry.events(receipt) == [("Profile", told)]
    assert listed(world) == {world.payee.lower(): word(5 * STAKE, receipt, b"hello")}
    assert world.machine.balance(world.registry.address) == 5 * STAKE


def test_register_once_and_with_enough_stake(world: World) -> None:
    assert world.registry.refusal("register", b"x", sender=world.payee, value=STAKE - 1) == "stake"
    assert world.registry.refusal("register", b"x", sender=world.payee) == "stake"
    register(world, world.payee)
    assert world.registry.refusal("register", b"x", sender=world.payee, value=STAKE) == "registered"


@pytest.mark.parametrize("size", [0, 1, 290, 2048])
def test_profiles_up_to_2048_bytes(world: World, size: int) -> None:
    profile = bytes(range(256)) * 8
    receipt = register(world, world.payee, profile[:size])
    assert world.registry.events(receipt)[0][1]["profile"] == profile[:size]
    receipt = world.registry.send("announce", profile[:size], sender=world.payee)
    assert world.registry.events(receipt)[0][1]["profile"] == profile[:size]
    assert listed(world)[world.payee.lower()] == word(STAKE, receipt, profile[:size])
    with pytest.raises(Reverted):
        world.registry.call("announce", profile + b"x", sender=world.payee)
    with pytest.raises(Reverted):
        world.registry.call("register", profile + b"x", sender=world.second, value=STAKE)


def test_announce_replaces_hash_and_block_and_points_back(world: World) -> None:
    register(world, world.second)
    first = register(world, world.payee, b"one", 3 * STAKE)
    second = world.registry.send("announce", b"two", sender=world.payee)
    third = world.registry.send("announce", b"three", sender=world.payee)
    assert world.registry.events(second)[0][1]["previousBlock"] == first.block
    assert world.registry.events(third)[0][1]["previousBlock"] == second.block
    assert listed(world)[world.payee.lower()] == word(3 * STAKE, third, b"three")


def test_whoever_announced_still_leaves_alone(world: World) -> None:
    for each in world.crowd[:3]:
        register(world, each)
        world.registry.send("announce", b"again", sender=each)
    leave(world, world.crowd[1])
    assert set(listed(world)) == {world.crowd[0].lower(), world.crowd[2].lower()}
    leave(world, world.crowd[2])
    assert set(listed(world)) == {world.crowd[0].lower()}


def test_strangers_can_do_nothing(world: World) -> None:
    register(world, world.payee)
    send = {"sender": world.stranger}
    assert world.registry.refusal("announce", b"x", **send) == "unregistered"
    assert world.registry.refusal("addStake", value=STAKE, **send) == "unregistered"
    assert world.registry.refusal("requestExit", **send) == "unregistered"
    assert world.registry.refusal("exit", **send) == "unregistered"
    assert world.registry.refusal("announce", b"x", sender=world.payee, value=1) == ""


def test_add_stake_changes_nothing_but_the_stake(world: World) -> None:
    receipt = register(world, world.payee, b"one")
    register(world, world.second, b"two")
    world.registry.send("addStake", sender=world.payee, value=2 * STAKE + 1)
    assert listed(world)[world.payee.lower()] == word(3 * STAKE, receipt, b"one")
    world.registry.send("addStake", sender=world.payee, value=GWEI - 1)
    assert listed(world)[world.payee.lower()] == word(3 * STAKE + GWEI, receipt, b"one")


def test_the_stake_in_gwei_has_64_bits(world: World) -> None:
    most = (2**64 - 1) * GWEI
    world.machine.give(world.payee, 2**100)
    assert world.registry.refusal("register", b"x", sender=world.payee, value=most + 1) == "stake"
    receipt = register(world, world.payee, b"x", most)
    assert listed(world)[world.payee.lower()] == word(most, receipt, b"x")
    assert world.registry.refusal("addStake", sender=world.payee, value=1) == "stake"


def test_leaving_takes_seven_days_and_returns_every_wei(world: World) -> None:
    odd = STAKE + 123
    register(world, world.payee, stake=odd)
    assert world.registry.refusal("exit", sender=world.payee) == "early"
    receipt = world.registry.send("requestExit", sender=world.payee)
    unlock = world.machine.now() + 7 * DAY
    told = {"provider": world.payee.lower(), "unlockAt": unlock}
    assert world.registry.events(receipt) == [("ExitRequested", told)]
    assert world.registry.call("unlockAt", world.payee) == unlock
    assert world.registry.refusal("requestExit", sender=world.payee) == "requested"
    world.machine.travel(unlock - 1)
    assert world.registry.refusal("exit", sender=world.payee) == "early"
    assert world.registry.call("count") == 1
    before = world.machine.balance(world.payee)
    world.machine.travel(unlock)
    receipt = world.registry.send("exit", sender=world.payee)
    assert world.registry.events(receipt) == [("Exited", {"provider": world.payee.lower()})]
    assert world.machine.balance(world.payee) == before + odd
    assert listed(world) == {}
    assert world.registry.call("unlockAt", world.payee) == 0


def test_a_provider_that_left_can_come_back_and_must_ask_again(world: World) -> None:
    register(world, world.payee, b"one")
    leave(world, world.payee)
    assert world.registry.refusal("announce", b"x", sender=world.payee) == "unregistered"
    assert world.registry.refusal("exit", sender=world.payee) == "unregistered"
    receipt = register(world, world.payee, b"two")
    assert world.registry.events(receipt)[0][1]["previousBlock"] == 0
    assert world.registry.refusal("exit", sender=world.payee) == "early"


@pytest.mark.parametrize("leaver", [0, 1, 2])
def test_the_last_provider_takes_the_free_place(world: World, leaver: int) -> None:
    who = world.crowd[:3]
    words = {}
    for number, each in enumerate(who):
        receipt = register(world, each, b"profile %d" % number, (number + 1) * STAKE)
        words[each.lower()] = word((number + 1) * STAKE, receipt, b"profile %d" % number)
    leave(world, who[leaver])
    del words[who[leaver].lower()]
    assert listed(world) == words
    for each in words:
        world.registry.send("addStake", sender=each, value=STAKE)
        words[each] += STAKE // GWEI << 192
    assert listed(world) == words
    for each in list(words):
        leave(world, each)
        del words[each]
        assert listed(world) == words
    assert world.machine.balance(world.registry.address) == 0


def test_a_block_number_past_32_bits_leaves_the_index_alone(pyevm: World) -> None:
    assert isinstance(pyevm.machine, PyEvm)
    pyevm.machine.set_block(2**32 + 6)
    for each in pyevm.crowd[:2]:
        register(pyevm, each)
    assert [block_of(each) for each in listed(pyevm).values()] == [7, 8]
    leave(pyevm, pyevm.crowd[0])
    leave(pyevm, pyevm.crowd[1])
    assert listed(pyevm) == {}


def test_pages(world: World) -> None:
    for each in world.crowd[:5]:
        register(world, each)
    everyone, _ = world.registry.call("page", 0, 1000)
    assert [address.lower() for address in world.crowd[:5]] == list(everyone)
    pages = [world.registry.call("page", start, 2)[0] for start in (0, 2, 4, 6)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert sum(pages, ()) == everyone
    assert world.registry.call("page", 0, 0) == ((), ())
    assert world.registry.call("page", 5, 1000) == ((), ())
    assert world.registry.call("page", 2**256 - 1, 1000) == ((), ())
    assert world.registry.refusal("page", 0, 1001, sender=world.stranger) == "page"


def test_words_of_named_providers(world: World) -> None:
    register(world, world.crowd[0])
    register(world, world.crowd[1], b"other", 9 * STAKE)
    words = listed(world)
    asked = [world.crowd[1], world.stranger, world.crowd[0], world.crowd[1]]
    assert list(world.registry.call("pageOf", asked)) == [words.get(each.lower(), 0) for each in asked]
    assert len(world.registry.call("pageOf", asked * 125)) == 500
    with pytest.raises(Reverted):
        world.registry.call("pageOf", asked * 125 + asked[:1])
