"""Snapshots: one form for one market, and nothing a hostile node can send costs more than its bytes."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.errors import Code
from tallystick_shared.messages import encode
from tallystick_shared.profile import MAX_PROFILE
from tallystick_shared.snapshot import (
    MAX_ENTRIES,
    Snapshot,
    SnapshotAsk,
    SnapshotEntry,
    make_snapshot,
    most_bytes,
    read_snapshot,
)
from tests.shared.tools import flipped, refused

CHAIN, REGISTRY, BLOCK, HASH = 31337, b"\x11" * 20, 77, b"\x12" * 32
ENTRIES = tuple(
    SnapshotEntry(bytes([number]) * 20, (5 << 192 | 70 << 160 | number).to_bytes(32, "big"), b"profile %d" % number)
    for number in (3, 1, 2)
)


def made(entries=ENTRIES, ask=None):
    return make_snapshot(CHAIN, REGISTRY, BLOCK, HASH, entries, ask or SnapshotAsk())


def read(data, entries=3):
    return read_snapshot(data, CHAIN, REGISTRY, most_bytes(entries))


def test_what_was_made_is_read():
    snapshot = read(made())
    assert (snapshot.block, snapshot.block_hash, snapshot.count, snapshot.start) == (BLOCK, HASH, 3, 0)
    assert snapshot.entries == ENTRIES
    slot = snapshot.entries[0].slot
    assert (slot.provider, slot.stake_gwei, slot.block, slot.profile_hash) == (b"\3" * 20, 5, 70, 3)


def test_an_empty_market():
    assert read(made(())).entries == ()


def test_a_part_of_it():
    snapshot = read(made(ask=SnapshotAsk(1, 1)))
    assert (snapshot.count, snapshot.start, snapshot.entries) == (3, 1, ENTRIES[1:2])
    assert read(made(ask=SnapshotAsk(3, 5))).entries == ()


def test_never_more_than_ten_thousand():
    many = [SnapshotEntry(number.to_bytes(20, "big"), bytes(32), b"") for number in range(MAX_ENTRIES + 5)]
    data = made(many, SnapshotAsk(0, 2**32 - 1))
    assert len(read(data, MAX_ENTRIES).entries) == MAX_ENTRIES


def test_the_largest_that_can_be_fits_its_bound():
    entries = [SnapshotEntry(bytes([n]) * 20, b"\xff" * 32, b"x" * MAX_PROFILE) for n in range(200)]
    data = make_snapshot(2**63 - 1, REGISTRY, 2**63 - 1, HASH, entries, SnapshotAsk())
    assert len(data) <= most_bytes(200)
    with refused(Code.TOO_LARGE):
        read_snapshot(data, 2**63 - 1, REGISTRY, most_bytes(199))


@pytest.mark.parametrize(
    "changes", [{"version": 2}, {"chain_id": 1}, {"registry": bytes(20)}, {"count": 2}, {"start": 1},
                {"entries": ENTRIES[:1] * 2}],
)  # fmt: skip
def test_what_does_not_fit_is_refused(changes):
    changed = msgspec.structs.replace(read(made()), **changes)
    with refused(Code.BAD_MESSAGE):
        read(encode(changed))


@pytest.mark.parametrize("data", [b"", b"\x90", b"\xdd\xff\xff\xff\xff", b"not a snapshot"])
def test_nonsense_is_refused(data):
    with refused(Code.BAD_MESSAGE):
        read(data)


def test_one_form_only():
    with refused(Code.BAD_MESSAGE):
        read(made() + b"\0")
    longer = made().replace(b"\x12", b"\xcc\x12", 1)  # a number in more bytes than it needs
    with refused(Code.BAD_MESSAGE):
        read(longer)


def test_a_long_list_is_refused_before_it_is_read():
    """An array of more entries than there may be: its head says so."""
    head = encode(Snapshot(1, CHAIN, REGISTRY, BLOCK, HASH, 2**32 - 1, 0, ()))[:-1]
    with refused(Code.BAD_MESSAGE) as raised:
        read(head + b"\xdd" + (MAX_ENTRIES + 1).to_bytes(4, "big"))
    assert "length" in raised.value.values["reason"]


def test_no_flipped_byte_makes_another_snapshot_of_the_same_length_pass_unseen():
    """Hashes catch what a profile says; the rest of it either fails to parse or says something else."""
    data, good = made(), read(made())
    for at in range(len(data)):
        try:
            changed = read(flipped(data, at))
        except Exception as error:
            assert getattr(error, "code", None) is Code.BAD_MESSAGE
        else:
            assert changed != good
