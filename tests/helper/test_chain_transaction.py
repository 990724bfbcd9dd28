"""Our transactions are eth-account's, byte for byte."""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.chain.transaction import Fees, Transaction
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
