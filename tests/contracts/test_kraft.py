"""Many payees behind one deposit: caps by depth, proofs, and a tree that nobody checked."""

from __future__ import annotations

import random

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.world import DAY, NO_SALT, ZERO, Leaf, Tree, World, grow, node


def salt(number: int) -> bytes:
    return bytes(keccak(text=f"leaf {number}"))


def leaves(world: World, number: int) -> list[Leaf]:
    """Distinct payees, one closer each."""
    return [Leaf(world.crowd[each], world.operator, salt(each)) for each in range(number)]


def test_each_payee_gets_its_power_of_two(world: World) -> None:
    one, two, three, four = leaves(world, 4)
    root, grown = grow((one, (two, (three, four))))
    config = world.open(world.config(root=root), deposit=1001)
    caps = [500, 250, 125, 125]
    for leaf, cap in zip(grown, caps, strict=True):
        assert world.claim(world.record(config, 1001, leaf), leaf=leaf) == cap
        assert world.channels.call("claimedBy", world.id(config), leaf.payee) == cap
    assert world.state(config).claimed == sum(caps)


def test_payees_count_apart(world: World) -> None:
    root, (one, two) = grow(tuple(leaves(world, 2)))
    config = world.open(world.config(root=root), deposit=1000)
    assert world.claim(world.record(config, 100, one), leaf=one) == 100
    assert world.claim(world.record(config, 100, two), leaf=two) == 100
    assert world.claim(world.record(config, 150, one), leaf=one) == 50
    assert world.claim(world.record(config, 150, one), leaf=one) == 0
    assert world.state(config).claimed == 250


def test_a_payee_in_several_leaves_gets_its_largest_cap_not_the_sum(world: World) -> None:
    payee = world.crowd[0]
    low, high = Leaf(payee, world.operator, salt(1)), Leaf(payee, world.operator, salt(2))
    root, grown = grow((high, (low, leaves(world, 3)[2])))
    config = world.open(world.config(root=root), deposit=1000)
    deep = next(leaf for leaf in grown if leaf == low)
    shallow = next(leaf for leaf in grown if leaf == high)
    assert world.claim(world.record(config, 1000, deep), leaf=deep) == 250
    assert world.claim(world.record(config, 1000, shallow), leaf=shallow) == 250
    assert world.claim(world.record(config, 1000, deep), leaf=deep) == 0


def test_a_top_up_raises_every_cap(world: World) -> None:
    root, (one, two) = grow(tuple(leaves(world, 2)))
    config = world.open(world.config(root=root), deposit=1000)
    assert world.claim(world.record(config, 9999, one), leaf=one) == 500
    world.channels.send("topUp", config, 0, 1000, sender=world.stranger, value=1000)
    assert world.claim(world.record(config, 9999, one), leaf=one) == 500
    assert world.claim(world.record(config, 9999, two), leaf=two) == 1000


def test_eight_levels(world: World) -> None:
    root, grown = grow(chained(leaves(world, 9)))
    config = world.open(world.config(root=root), deposit=2560)
    deepest = grown[0]
    assert len(deepest.proof) == 8
    assert world.claim(world.record(config, 2560, deepest), leaf=deepest) == 10


@pytest.mark.parametrize("deposit", [1, 255, 256])
def test_a_cap_of_nothing(world: World, deposit: int) -> None:
    """Eight levels down, a deposit below 256 units is worth nothing: skipped, not fatal."""
    root, grown = grow(chained(leaves(world, 9)))
    config = world.open(world.config(root=root), deposit=deposit)
    assert world.claim(world.record(config, 2**200, grown[0]), leaf=grown[0]) == deposit >> 8


def test_nine_levels_are_no_claim(world: World) -> None:
    """The ninth level of a deeper tree cannot be encoded, and no shorter proof leads there."""
    root, grown = grow(chained(leaves(world, 10)))
    config = world.open(world.config(root=root), deposit=2**20, life=2 * DAY)
    deepest, higher = grown[0], grown[2]
    assert (len(deepest.proof), len(higher.proof)) == (9, 8)
    record = world.record(config, 1, deepest)
    arguments = (deepest.payee, deepest.closer, ZERO, [record])
    assert world.channels.refusal("claim", *arguments, sender=world.stranger) == ""
    assert world.claim(record._replace(proof=deepest.proof[:8]), leaf=deepest) == 0
    assert world.claim(record._replace(proof=deepest.proof[1:]), leaf=deepest) == 0
    assert world.claim(world.record(config, 2**20, higher), leaf=higher) == 2**12
    world.machine.travel(world.state(config).expiry)
    world.channels.send("withdraw", config, sender=world.stranger)
    assert world.held() == 0


def test_a_shared_subtree_is_one(world: World) -> None:
    """A tree that hangs the same branch at both sides, and once more below: each payee still has one cap."""
    one, two = leaves(world, 2)
    branch = (one, two)
    root, grown = grow(((branch, branch), (branch, (branch, branch))))
    config = world.open(world.config(root=root), deposit=1000)
    paid = {leaf.payee: 0 for leaf in grown}
    for leaf in sorted(grown, key=lambda each: len(each.proof), reverse=True):
        paid[leaf.payee] += world.claim(world.record(config, 10**6, leaf), leaf=leaf)
    assert list(paid.values()) == [125, 125]
    assert world.state(config).claimed == 250


def test_a_leaf_beside_itself(world: World) -> None:
    """Both children are the same: depth counts, not how often it stands there."""
    [one] = leaves(world, 1)
    root, grown = grow((one, one))
    config = world.open(world.config(root=root), deposit=1000)
    assert [world.claim(world.record(config, 10**6, leaf), leaf=leaf) for leaf in grown] == [500, 0]


def test_a_leaf_that_poses_as_a_node(world: World) -> None:
    """The payer takes two hashes for its leaf's place, or a leaf's hash for a sibling: nobody's cap grows by it."""
    one, two, three = leaves(world, 3)
    root, (first, second) = grow((one, two))
    above = node(root, three.hash)
    config = world.open(world.config(root=above), deposit=1000)
    short = world.record(config, 10**6, first)
    assert world.claim(short, leaf=first) == 0  # the proof ends below the root
    longer = (*first.proof, three.hash)
    assert world.claim(short._replace(proof=longer), leaf=first) == 250
    assert world.claim(short._replace(proof=(*first.proof, three.hash, bytes(32))), leaf=first) == 0
    # the whole of a node read as a leaf: payee and closer out of its first 40 bytes, the salt out of what is left
    pair = min(first.hash, second.hash) + max(first.hash, second.hash)
    posing = Leaf("0x" + pair[:20].hex(), "0x" + pair[20:40].hex(), pair[32:])
    assert world.claim(world.record(config, 10**6, posing)._replace(proof=(three.hash,)), leaf=posing) == 0


def chained(leaves: list[Leaf]) -> Tree:
    """A tree that goes down on one side: the first two leaves are the deepest."""
    tree: Tree = leaves[0]
    for each in leaves[1:]:
        tree = (tree, each)
    return tree


def test_a_proof_of_another_place_or_order_is_skipped(world: World) -> None:
    root, grown = grow(((leaves(world, 4)[0], leaves(world, 4)[1]), (leaves(world, 4)[2], leaves(world, 4)[3])))
    config = world.open(world.config(root=root), deposit=1000)
    leaf = grown[0]
    record = world.record(config, 100, leaf)
    for proof in (leaf.proof[::-1], leaf.proof[:1], leaf.proof[1:], (), (*leaf.proof, bytes(32)), grown[2].proof):
        assert world.claim(record._replace(proof=proof), leaf=leaf) == 0
    assert world.claim(record, leaf=leaf) == 100


def test_an_inner_node_is_no_leaf(world: World) -> None:
    """A leaf hashes 73 bytes, a node 64: the root of a tree cannot be claimed at depth 0 by reading it as a leaf."""
    root, (one, _) = grow(tuple(leaves(world, 2)))
    config = world.open(world.config(root=root), deposit=1000)
    record = world.record(config, 100, one)
    assert world.claim(record._replace(leaf_salt=NO_SALT, proof=()), leaf=one) == 0


def test_nobody_closes_a_channel_of_several_payees(world: World) -> None:
    root, (one, _) = grow(tuple(leaves(world, 2)))
    config = world.open(world.config(root=root), deposit=1000)
    record = world.record(config, 100, one)
    assert world.channels.refusal("close", one.payee, record, sender=world.operator) == "closer"
    assert world.channels.refusal("close", one.payee, record._replace(proof=()), sender=world.operator) == "closer"


@st.composite
def shapes(draw: st.DrawFn, depth: int = 8) -> int | tuple:
    """Binary trees of at most eight levels; a leaf is the number of its payee, who may stand in several."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.integers(0, 13))
    return (draw(shapes(depth - 1)), draw(shapes(depth - 1)))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(shape=shapes(), deposit=st.integers(1, 10**6), seed=st.integers(0, 2**32))
def test_no_tree_pays_more_than_the_deposit(pyevm_deployed: World, shape: int | tuple, deposit: int, seed: int) -> None:
    world = pyevm_deployed

    def planted(part: int | tuple) -> Tree:
        if isinstance(part, tuple):
            return (planted(part[0]), planted(part[1]))
        return Leaf(world.crowd[part], world.operator, salt(part))

    with world.machine.anchored():
        root, grown = grow(planted(shape))
        config = world.open(world.config(root=root), deposit=deposit)
        paid: dict[str, int] = {}
        best: dict[str, int] = {}
        for leaf in random.Random(seed).sample(grown, min(len(grown), 24)):
            got = world.claim(world.record(config, 2**200, leaf), leaf=leaf)
            paid[leaf.payee] = paid.get(leaf.payee, 0) + got
            best[leaf.payee] = max(best.get(leaf.payee, 0), deposit >> len(leaf.proof))
        assert paid == best
        assert sum(paid.values()) == world.state(config).claimed <= deposit
