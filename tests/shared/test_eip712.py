"""EIP-712 digests and the typed data that a wallet shows."""

from __future__ import annotations

import json

import pytest
from eth_abi.abi import encode

from tallystick_shared.evm.eip712 import DOMAIN_TYPE, Domain, fields_of, hash_struct
from tallystick_shared.voucher import VOUCHER
from tests.shared.signed_samples import CHANNELS, SAMPLES

samples = pytest.mark.parametrize("name", SAMPLES)


def test_fields_of_a_type():
    assert fields_of("A(uint256 x,address y)") == [("uint256", "x"), ("address", "y")]
    assert fields_of("Empty()") == []


def test_domain_separator_by_hand(crypto):
    """EIP-712, `domainSeparator`: five words under one hash."""
    word = lambda number: number.to_bytes(32, "big")  # noqa: E731
    expected = crypto.keccak256(
        crypto.keccak256(DOMAIN_TYPE.encode())
        + crypto.keccak256(b"Tallystick Channels")
        + crypto.keccak256(b"1")
        + word(31337)
        + bytes(12)
        + b"\x22" * 20
    )
    assert CHANNELS.separator(crypto) == expected


def test_struct_by_hand(crypto):
    domain, kind, values, _ = SAMPLES["voucher"]
    struct = crypto.keccak256(
        crypto.keccak256(kind.encode())
        + values["channelId"]
        + bytes(12)
        + values["payee"]
        + values["cumulative"].to_bytes(32, "big")
    )
    assert hash_struct(crypto, kind, values) == struct
    assert domain.digest(crypto, kind, values) == crypto.keccak256(b"\x19\x01" + domain.separator(crypto) + struct)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("uint256", 2**256 - 1), ("uint256", 0), ("uint64", 5), ("uint8", 255), ("bytes32", bytes(range(32))),
     ("bytes16", bytes(range(16))), ("bytes4", b"abcd"), ("address", b"\x0a" * 20), ("address", "0x" + "0b" * 20)],
)  # fmt: skip
def test_words_are_those_of_the_abi(crypto, kind, value):
    by_abi = encode(["bytes32", kind], [crypto.keccak256(f"A({kind} x)".encode()), value])
    assert hash_struct(crypto, f"A({kind} x)", {"x": value}) == crypto.keccak256(by_abi)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("uint256", 2**256), ("uint64", 2**64), ("uint8", -1), ("bytes32", bytes(31)), ("bytes16", bytes(17)),
     ("address", bytes(19)), ("address", "0x0b"), ("bool", True), ("int256", 1)],
)  # fmt: skip
def test_values_that_do_not_fit_their_type(crypto, kind, value):
    with pytest.raises(ValueError):
        hash_struct(crypto, f"A({kind} x)", {"x": value})


@samples
def test_known_digest(crypto, name):
    domain, kind, values, digest = SAMPLES[name]
    assert domain.digest(crypto, kind, values).hex() == digest.removeprefix("0x")


@samples
def test_every_value_counts(crypto, name):
    domain, kind, values, _ = SAMPLES[name]
    digests = {domain.digest(crypto, kind, values)}
    for field, value in values.items():
        other = value + 1 if isinstance(value, int) else value[:-1] + (b"\0" if isinstance(value, bytes) else "x")
        digests.add(domain.digest(crypto, kind, {**values, field: other}))
    assert len(digests) == len(values) + 1


def test_every_part_of_the_domain_counts(crypto):
    _, kind, values, _ = SAMPLES["voucher"]
    domains = [
        CHANNELS,
        Domain("Tallystick channels", 31337, b"\x22" * 20),
        Domain("Tallystick Channels", 1, b"\x22" * 20),
        Domain("Tallystick Channels", 31337, b"\x23" * 20),
        Domain("Tallystick Channels", 31337, b"\x22" * 20, "2"),
    ]
    assert len({domain.digest(crypto, kind, values) for domain in domains}) == len(domains)


@samples
def test_typed_data_is_json_with_every_field(name):
    domain, kind, values, _ = SAMPLES[name]
    data = json.loads(json.dumps(domain.typed_data(kind, values)))
    primary = data["primaryType"]
    assert [(field["type"], field["name"]) for field in data["types"][primary]] == fields_of(kind)
    assert set(data["message"]) == set(values)
    assert data["domain"]["chainId"] == domain.chain_id
    assert all(isinstance(value, str) for value in data["message"].values())


def test_large_numbers_become_decimal_text():
    """JSON numbers end at 2^53 in a wallet."""
    domain, kind, values, _ = SAMPLES["voucher"]
    assert domain.typed_data(kind, values)["message"]["cumulative"] == str(2**127 + 1)
    assert kind == VOUCHER
