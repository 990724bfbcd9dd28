"""Vouchers as transactions: which go together, and in which of the contract's two forms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tallystick_shared.evm.channels import Channels, packed_record
from tallystick_shared.evm.rpc import Rpc

from ..chain.table import Tracked
from ..ledger import ChannelRow

MAX_CLAIMS = 16
MAX_PACKED = 200
RECORD_GAS = 13_000
"""The least that one more channel adds to a batch: a packed one in a hundred takes 14,132 in all."""


@dataclass(frozen=True)
class Batch:
    """Claims of one token, payee and closer for one transaction; `packed` where all of them fit into records."""

    token: bytes
    payee: bytes
    closer: bytes
    rows: list[ChannelRow]
    packed: bool

    @property
    def ids(self) -> list[bytes]:
        return [row.channel_id for row in self.rows]


def batches(rows: list[ChannelRow]) -> list[Batch]:
    """Two or more that can be packed are: of 10 each costs 3,000 gas less so. A single one is cheaper as a claim. What
    was earned under an earlier payee or operator is claimed as its leaf says.
    """
    alike: dict[tuple[bytes, bytes, bytes], list[ChannelRow]] = defaultdict(list)
    for row in rows:
        alike[row.config.token, row.payee, row.closer].append(row)
    return [batch for whom, some in alike.items() for batch in _parted(*whom, some)]


def _parted(token: bytes, payee: bytes, closer: bytes, rows: list[ChannelRow]) -> list[Batch]:
    packable = [row for row in rows if _record(row) is not None]
    if len(packable) < 2:
        packable = []
    taken = {row.channel_id for row in packable}
    others = [row for row in rows if row.channel_id not in taken]
    pages = [(packable[at : at + MAX_PACKED], True) for at in range(0, len(packable), MAX_PACKED)]
    pages += [(others[at : at + MAX_CLAIMS], False) for at in range(0, len(others), MAX_CLAIMS)]
    return [Batch(token, payee, closer, some, packed) for some, packed in pages]


def worthwhile(batch: Batch, amounts: Mapping[bytes, int], price: int) -> Batch:
    """Without those that cost more gas than they bring however many go together; `price`: wei per gas."""
    rows = [row for row in batch.rows if amounts[row.channel_id] > RECORD_GAS * price]
    return _of(batch, rows)


def halved(batch: Batch) -> Batch:
    """The first half."""
    return _of(batch, batch.rows[: len(batch.rows) // 2])


def _of(batch: Batch, rows: list[ChannelRow]) -> Batch:
    """A single one is cheaper as a claim."""
    return replace(batch, rows=rows, packed=batch.packed and len(rows) > 1)


def unclaimed(row: ChannelRow, known: Tracked, paid: int) -> int:
    """Of a channel's voucher, in smallest units; `paid` is what its payee got, where it is one of several."""
    due = min(row.voucher.amount, known.state.cap(len(row.proof)))
    return due - (paid if row.proof else known.state.claimed)


async def paid_before(channels: Channels, rpc: Rpc, row: ChannelRow) -> int:
    """To one of several payees of a channel, whose word does not tell it: so it is read. Else 0."""
    return await channels.claimed_by(rpc, row.channel_id, row.payee) if row.proof else 0


async def prepare(channels: Channels, rpc: Rpc, batch: Batch) -> tuple[bytes, int]:
    """(call data, what it would pay right now)."""
    payee, closer = batch.payee, batch.closer
    if batch.packed:
        records = [record for row in batch.rows if (record := _record(row)) is not None]
        data = channels.claim_packed(payee, closer, batch.token, records)
        return data, await channels.would_pay_packed(rpc, payee, closer, batch.token, records)
    claims = [channels.claim_tuple(row.config, row.voucher, row.leaf_salt, row.proof) for row in batch.rows]
    data = channels.claim(payee, closer, batch.token, claims)
    return data, await channels.would_pay(rpc, payee, closer, batch.token, claims)


def _record(row: ChannelRow) -> tuple[int, ...] | None:
    return packed_record(row.config, row.voucher, row.leaf_salt, row.proof)
