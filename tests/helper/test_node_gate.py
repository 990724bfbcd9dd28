"""Strangers: so many per address, per neighbourhood, in all; the oldest goes, never the newest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.node.gate import Gate, GateRules, Stranger
from tallystick_helper.node.rates import Rate
from tallystick_shared.errors import Code
from tests.shared.tools import refused


class Door:
    def __init__(self, gate: Gate) -> None:
        self.gate, self.evicted = gate, list[str]()

    def enter(self, address: str, name: str = "") -> Stranger:
        return self.gate.enter(address, lambda: self.evicted.append(name or address))


def test_the_oldest_of_an_address_goes() -> None:
    door = Door(Gate(GateRules(per_address=2)))
    for name in "abc":
        door.enter("192.0.2.1", name)
    door.enter("192.0.2.2", "other")
    assert door.evicted == ["a"]
    assert len(door.gate) == 3


def test_a_neighbourhood_and_the_whole_have_limits() -> None:
    door = Door(Gate(GateRules(per_address=8, total=3, per_neighbourhood=2)))
    for number in range(3):
        door.enter(f"192.0.2.{number}")
    assert door.evicted == ["192.0.2.0"]
    door.enter("198.51.100.1")
    door.enter("203.0.113.1")
    assert door.evicted == ["192.0.2.0", "192.0.2.1"]


def test_whoever_left_leaves_room() -> None:
    door = Door(Gate(GateRules(per_address=1)))
    first = door.enter("192.0.2.1")
    door.gate.leave(first)
    door.gate.leave(first)
    door.enter("192.0.2.1")
    assert door.evicted == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=200))
def test_no_limit_is_ever_passed(steps: list[tuple[bool, int]]) -> None:
    gate, inside = Gate(GateRules(per_address=2, total=9, per_neighbourhood=4)), list[Stranger]()
    for enters, number in steps:
        if enters:
            address = f"10.0.{number % 5}.{number}"
            holder: list[Stranger] = []
            holder.append(gate.enter(address, lambda: None))
            inside += holder
        elif inside:
            gate.leave(inside[number % len(inside)])
        present = list(gate._strangers)
        assert len(present) <= 9
        counts: dict[str, int] = {}
        for stranger in present:
            for group in stranger.groups:
                counts[group] = counts.get(group, 0) + 1
        assert counts == gate._counts
        assert all(count <= 2 for group, count in counts.items() if group.endswith("/32"))
        assert all(count <= 4 for group, count in counts.items() if group.endswith("/24"))


def test_the_newest_never_goes() -> None:
    """Whoever holds every place is driven out by whoever comes."""
    door = Door(Gate())
    for number in range(1000):
        door.enter(f"{number % 250}.0.{number // 250}.1", str(number))
    assert len(door.gate) == 256
    assert door.evicted == [str(number) for number in range(1000 - 256)]


def test_handshakes_of_an_address() -> None:
    now = 0.0
    gate = Gate(GateRules(), lambda: now)
    for _ in range(10):
        gate.shake("192.0.2.1")
    with refused(Code.TOO_MANY_CONNECTIONS):
        gate.shake("192.0.2.1")
    gate.shake("192.0.2.2")
    now = 1.0
    gate.shake("192.0.2.1")
    gate.shake("192.0.2.1")
    with refused(Code.TOO_MANY_CONNECTIONS):
        gate.shake("192.0.2.1")


def test_holders_of_a_ticket_have_a_pool_of_their_own() -> None:
    """Strangers cannot drive them out, nor they strangers; among themselves the oldest goes."""
    door = Door(Gate(GateRules(total=3, holders=2)))
    known = [door.enter(f"192.0.2.{number}", f"known {number}") for number in range(2)]
    for stranger in known:
        door.gate.know(stranger)
    for number in range(50):
        door.enter(f"10.{number}.0.1", str(number))
    assert door.evicted == [str(number) for number in range(47)] and len(door.gate) == 5
    late = door.enter("192.0.2.9", "late")
    door.gate.know(late)
    assert door.evicted[47:] == ["47", "known 0"]
    for stranger in [*known, late]:
        door.gate.leave(stranger)
    door.gate.know(late)  # it is gone already
    assert len(door.gate) == 2


def test_answers_in_all_leave_holders_of_a_ticket_alone() -> None:
    now = 0.0
    gate = Gate(GateRules(handshakes_total=Rate(500, 500)), lambda: now)
    for _ in range(500):
        gate.answer(False)
    for _ in range(100):
        with refused(Code.TOO_MANY_CONNECTIONS):
            gate.answer(False)
        gate.answer(True)
    now = 0.1
    for _ in range(50):
        gate.answer(False)
    with refused(Code.TOO_MANY_CONNECTIONS):
        gate.answer(False)
