"""A batch pays what its records would pay one by one, in any order and mixture."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.world import DAY, THIEF, Leaf, Record, World, grow

KINDS = ["good", "good", "good", "thief", "short", "salt", "proof", "token", "unknown"]
RECORDS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1200), st.sampled_from(KINDS)), min_size=1, max_size=16)


def make(world: World, config: tuple, leaf: Leaf, total: int, kind: str) -> Record:
    """A record that is good or bad in the way named."""
    if kind == "unknown":
        return world.record(world.config(), total, leaf)
    record = world.record(config, total, leaf, *([THIEF] if kind == "thief" else []))
    change = {
        "short": {"sig": record.sig[:64]},
        "salt": {"leaf_salt": b"\7" * 32},
        "proof": {"proof": (*record.proof, bytes(32))},
        "token": {"config": record.config._replace(token=world.stranger)},
    }
    return record._replace(**change.get(kind, {}))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(wanted=RECORDS)
def test_a_batch_pays_what_its_singles_would(pyevm_deployed: World, wanted: list[tuple[int, int, str]]) -> None:
    world = pyevm_deployed
    with world.machine.anchored():
        root, (deep, _) = grow((world.only, Leaf(world.second, world.operator)))
        alone = [(world.open(life=3 * DAY), world.only) for _ in range(3)]
        places = [*alone, (world.open(world.config(root=root)), deep)]
        records = [make(world, *places[place], total, kind) for place, total, kind in wanted]
        with world.machine.anchored():
            one_by_one = sum(world.claim(record) for record in records)
            after = [world.state(config) for config, _ in places]
        assert world.claim(*records) == one_by_one
        assert [world.state(config)[:2] for config, _ in places] == [state[:2] for state in after]
        assert one_by_one == sum(state.claimed for state in after)
