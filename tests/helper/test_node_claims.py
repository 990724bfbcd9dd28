"""Which vouchers go together, and in which form."""

from __future__ import annotations

from dataclasses import replace

from tallystick_helper.ledger import ChannelRow
from tallystick_helper.node.claims import RECORD_GAS, batches, worthwhile
from tallystick_shared.channel import Config
from tallystick_shared.voucher import Signed

TOKEN = b"\7" * 20
PAYEE, CLOSER = b"\x08" * 20, b"\x09" * 20
CONFIG = Config(b"\1" * 20, b"\2" * 20, b"\3" * 32, TOKEN, 900, b"\4" * 32)


def rows(count: int, **changes: object) -> list[ChannelRow]:
    plain = ChannelRow(b"", CONFIG, bytes(32), (), Signed(5, bytes(65)), 5, False, False, PAYEE, CLOSER)
    return [replace(plain, channel_id=bytes([number]) * 32, **changes) for number in range(count)]


def shape(given: list[ChannelRow]) -> list[tuple[int, bool]]:
    made = batches(given)
    assert {(batch.token, batch.payee, batch.closer) for batch in made} <= {(TOKEN, PAYEE, CLOSER)}
    assert sorted(one for batch in made for one in batch.ids) == sorted(row.channel_id for row in given)
    return [(len(batch.rows), batch.packed) for batch in made]


def test_none_one_two_and_more_than_fit() -> None:
    assert shape([]) == []
    assert shape(rows(1)) == [(1, False)]
    assert shape(rows(2)) == [(2, True)]
    assert shape(rows(201)) == [(200, True), (1, True)]


def test_what_cannot_be_packed_goes_sixteen_at_a_time() -> None:
    assert shape(rows(17, voucher=Signed(5, bytes(128)))) == [(16, False), (1, False)]
    assert shape(rows(3, proof=(bytes(32),))) == [(3, False)]
    assert shape(rows(3, leaf_salt=b"\1" * 32)) == [(3, False)]


def test_a_mixture_is_parted() -> None:
    odd = [replace(row, channel_id=bytes([200 + at]) * 32) for at, row in enumerate(rows(2, proof=(bytes(32),)))]
    assert shape([*odd, *rows(3)]) == [(3, True), (2, False)]
    assert shape([*odd, *rows(1)]) == [(3, False)]


def test_what_does_not_pay_for_its_own_place_is_left_out() -> None:
    (batch,) = batches(rows(3))
    amounts = dict(zip(batch.ids, (RECORD_GAS * 5 + 1, RECORD_GAS * 5, 1), strict=True))
    assert worthwhile(batch, amounts, 4).ids == batch.ids[:2]
    alone = worthwhile(batch, amounts, 5)
    assert alone.ids == batch.ids[:1] and not alone.packed
    assert worthwhile(batch, amounts, 6).rows == []


def test_each_token_payee_and_closer_is_claimed_for_itself() -> None:
    other = b"\x0a" * 20
    changes = ({}, {"payee": other}, {"closer": other}, {"config": replace(CONFIG, token=other)})
    made = batches([row for one in changes for row in rows(2, **one)])
    whom = [(TOKEN, PAYEE, CLOSER), (TOKEN, other, CLOSER), (TOKEN, PAYEE, other), (other, PAYEE, CLOSER)]
    assert [(batch.token, batch.payee, batch.closer) for batch in made] == whom
    assert all(batch.packed and len(batch.rows) == 2 for batch in made)
