"""Our transactions are eth-account's, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.chain.transaction import Fees, Transaction, read_transaction
from tallystick_helper.crypto import NativeCrypto

crypto = NativeCrypto()
numbers = st.integers(0, 2**64 - 1)


@given(
    key=st.binary(min_size=32, max_size=32).filter(any),
    to=st.none() | st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=200),
    value=st.integers(0, 2**96),
    nonce=numbers,
    gas=st.integers(21_000, 2**40),
    price=st.integers(1, 2**64),
    chain_id=st.integers(1, 2**32),
    tip=st.none() | st.integers(0, 2**40),
)
def test_signed_as_eth_account_signs(
    key: bytes,
    to: bytes | None,
    data: bytes,
    value: int,
    nonce: int,
    gas: int,
    price: int,
    chain_id: int,
    tip: int | None,
) -> None:
    fees = Fees(price + (tip or 0), tip)
    if int.from_bytes(key, "big") >= 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141:
        return
    fields: dict[str, Any] = {"chainId": chain_id, "nonce": nonce, "gas": gas, "value": value, "data": data}
    if to is not None:
        fields["to"] = to_checksum_address(to)
    if tip is None:
        fields["gasPrice"] = fees.price
    else:
        fields |= {"maxFeePerGas": fees.price, "maxPriorityFeePerGas": tip}
    theirs = Account.from_key(key).sign_transaction(fields)
    raw, transaction = Transaction(chain_id, nonce, to, value, data, gas, fees).sign(crypto, key)
    assert raw == bytes(theirs.raw_transaction)
    assert transaction == bytes(theirs.hash)
    found, sender = read_transaction(crypto, raw)
    assert found == Transaction(chain_id, nonce, to, value, data, gas, fees)
    assert sender == crypto.secp256k1_address(key)


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02\xc0", b"\xc0", b"\x01\xc1\x01", b"nonsense"])
def test_what_is_no_transaction_of_the_two_kinds_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a transaction"):
        read_transaction(crypto, raw)


@given(price=numbers, tip=st.none() | numbers, market=numbers)
def test_raised_is_never_below_what_a_node_demands(price: int, tip: int | None, market: int) -> None:
    low = Fees(price + (tip or 0), tip)
    high = low.raised(Fees(market, None if tip is None else market // 2))
    pairs = [(low.price, high.price)] + ([] if tip is None else [(tip, high.tip or 0)])
    assert all(new * 8 >= old * 9 and new > old for old, new in pairs)
    assert high.price >= market and (high.tip or 0) <= high.price
