"""What we sign and derive, against eth-account and eth-keys: code of others that has never seen ours."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_keys import keys
from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.evm.eip712 import Domain, fields_of
from tallystick_shared.evm.rpc import checksum
from tests.shared.signed_samples import SAMPLES

CRYPTO = NativeCrypto()
KEY = b"\x05" * 32
VALUES = {
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes16": st.binary(min_size=16, max_size=16),
    "address": st.binary(min_size=20, max_size=20),
    "uint256": st.integers(0, 2**256 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "string": st.text(st.characters(codec="utf-8"), max_size=50),
}
private_keys = st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big"))


def oracle(domain: Domain, kind: str, values: dict) -> bytes:
    return _hash_eip191_message(encode_typed_data(full_message=domain.typed_data(kind, values)))


@pytest.mark.parametrize("name", SAMPLES)
def test_pinned_digests_are_eth_accounts(name):
    domain, kind, values, digest = SAMPLES[name]
    assert oracle(domain, kind, values).hex() == digest


@pytest.mark.parametrize("name", SAMPLES)
def test_signatures_are_eth_accounts(name):
    domain, kind, values, _ = SAMPLES[name]
    signed = Account.sign_typed_data(KEY, full_message=domain.typed_data(kind, values))
    assert bytes(signed.signature) == CRYPTO.secp256k1_sign(KEY, domain.digest(CRYPTO, kind, values))


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
def test_any_values(name, data):
    domain, kind, _, _ = SAMPLES[name]
    values = {field: data.draw(VALUES[of]) for of, field in fields_of(kind)}
    assert domain.digest(CRYPTO, kind, values) == oracle(domain, kind, values)


@given(chain=st.integers(0, 2**63 - 1), contract=VALUES["address"])
def test_any_domain(chain, contract):
    _, kind, values, _ = SAMPLES["voucher"]
    domain = Domain("Tallystick Channels", chain, contract)
    assert domain.digest(CRYPTO, kind, values) == oracle(domain, kind, values)


@given(private=private_keys, digest=VALUES["bytes32"])
def test_signatures_of_any_key(private, digest):
    key = keys.PrivateKey(private)
    signature = CRYPTO.secp256k1_sign(private, digest)
    theirs = key.sign_msg_hash(digest).to_bytes()
    assert signature == theirs[:64] + bytes([27 + theirs[64]])
    assert CRYPTO.secp256k1_recover(digest, signature) == CRYPTO.secp256k1_address(private)
    assert CRYPTO.secp256k1_address(private) == key.public_key.to_canonical_address()


@given(digest=VALUES["bytes32"], signature=st.binary(min_size=65, max_size=65))
def test_recovering_from_junk_agrees_or_refuses(digest, signature):
    try:
        address = CRYPTO.secp256k1_recover(digest, signature)
    except ValueError:
        return
    theirs = keys.Signature(signature[:64] + bytes([signature[64] - 27]))
    assert theirs.recover_public_key_from_msg_hash(digest).to_canonical_address() == address


@given(address=VALUES["address"])
def test_checksums(address):
    from eth_utils import to_checksum_address

    assert checksum(CRYPTO.keccak256, address) == to_checksum_address(address)
