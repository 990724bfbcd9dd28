"""Vouchers, SessionAuth and Receipt: signed by the right key over exactly this, or worth nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.voucher import (
    P256_SIGNATURE,
    Payment,
    Receipt,
    Signed,
    auth_digest,
    is_signed_by,
    is_signed_by_session,
)
from tests.shared.crypto_conformance import P256_PUBLIC, P256_SIGNED, N
from tests.shared.signed_samples import CHANNELS, SAMPLES
from tests.shared.tools import flipped, refused

KEY, OTHER = b"\x05" * 32, b"\x06" * 32
ID, PAYEE = bytes(range(32)), b"\x33" * 20


@pytest.fixture
def payment(crypto):
    return Payment.on(31337, b"\x22" * 20, ID, PAYEE, crypto.secp256k1_address(KEY))


@pytest.mark.parametrize("amount", [0, 1, 10**18, 2**127, 2**128 - 1])
def test_signed_and_verified(crypto, payment, amount):
    payment.verify(crypto, payment.sign(crypto, KEY, amount))


def test_digest_is_the_known_one(crypto, payment):
    domain, _, values, digest = SAMPLES["voucher"]
    assert payment.domain == domain
    assert payment.digest(crypto, values["cumulative"]).hex() == digest.removeprefix("0x")


def test_another_amount_key_channel_payee_chain_or_contract(crypto, payment):
    voucher = payment.sign(crypto, KEY, 100)
    signer = payment.signer
    elsewhere = [
        Payment.on(1, b"\x22" * 20, ID, PAYEE, signer),
        Payment.on(31337, b"\x23" * 20, ID, PAYEE, signer),
        replace(payment, channel_id=flipped(ID, 0)),
        replace(payment, payee=flipped(PAYEE, 0)),
        replace(payment, signer=crypto.secp256k1_address(OTHER)),
    ]
    for other in elsewhere:
        with refused(Code.BAD_VOUCHER, PeerError):
            other.verify(crypto, voucher)
    for wrong in (Signed(101, voucher.signature), payment.sign(crypto, OTHER, 100)):
        with refused(Code.BAD_VOUCHER, PeerError):
            payment.verify(crypto, wrong)


def test_malformed_signatures(crypto, payment):
    signature = payment.sign(crypto, KEY, 100).signature
    s = int.from_bytes(signature[32:64], "big")
    high = signature[:32] + (N - s).to_bytes(32, "big") + bytes([55 - signature[64]])
    bad = [b"", bytes(65), bytes(128), signature[:64], signature + b"\0", high, signature[:64] + b"\0"]
    bad += [flipped(signature, at) for at in range(65)]
    for wrong in bad:
        with refused(Code.BAD_VOUCHER, PeerError):
            payment.verify(crypto, Signed(100, wrong))


def test_is_signed_by_never_raises(crypto):
    for signature in (b"", bytes(65), b"\xff" * 65, bytes(200)):
        assert not is_signed_by(crypto, bytes(32), signature, bytes(20))


def test_auth_is_the_known_one(crypto):
    _, _, values, digest = SAMPLES["auth"]
    made = auth_digest(
        crypto, CHANNELS, values["handshakeHash"], values["channelId"], values["provider"], values["expiry"]
    )
    assert made.hex() == digest.removeprefix("0x")


def test_receipt_is_the_known_one(crypto):
    _, _, values, digest = SAMPLES["receipt"]
    receipt = Receipt(
        values["channelId"],
        values["requestId"],
        values["amount"],
        values["units"],
        values["manifest"],
        values["digest"],
    )
    made = receipt.signing_digest(crypto, CHANNELS)
    assert made.hex() == digest.removeprefix("0x")


def test_a_receipt_is_the_operators_over_exactly_this(crypto):
    operator = crypto.secp256k1_address(KEY)
    receipt = Receipt(ID, bytes(16), 100, 7, bytes(32), bytes(32), bytes(16)).signed(crypto, CHANNELS, KEY)
    receipt.verify(crypto, CHANNELS, operator)
    changes = [
        {"channel_id": flipped(ID, 0)}, {"request_id": flipped(bytes(16), 0)}, {"amount": 101}, {"units": 8},
        {"manifest": flipped(bytes(32), 0)}, {"digest": flipped(bytes(32), 0)}, {"signature": b""},
        {"signature": flipped(receipt.signature, 3)},
    ]  # fmt: skip
    for change in changes:
        with refused(Code.BAD_RECEIPT, PeerError):
            replace(receipt, **change).verify(crypto, CHANNELS, operator)
    with refused(Code.BAD_RECEIPT, PeerError):
        receipt.verify(crypto, CHANNELS, crypto.secp256k1_address(OTHER))


def test_no_signature_of_one_kind_is_one_of_another(crypto):
    assert len({domain.digest(crypto, kind, values) for domain, kind, values, _ in SAMPLES.values()}) == len(SAMPLES)


def test_a_session_key_on_p256_signs_for_its_own_address_only(crypto):
    signer = crypto.keccak256(P256_PUBLIC)[12:]
    assert P256_SIGNATURE == 128
    for message, pair in P256_SIGNED:
        signature = pair + P256_PUBLIC
        assert is_signed_by_session(crypto, message, signature, signer) is True
        assert is_signed_by_session(crypto, message, signature, b"\x01" * 20) is False
        assert is_signed_by_session(crypto, message + b"!", signature, signer) is False
        assert is_signed_by_session(crypto, message, flipped(signature, 5), signer) is False
        for wrong in (signature[:-1], signature + b"\0", pair, b""):
            assert is_signed_by_session(crypto, message, wrong, signer) is False


def test_a_malformed_signature_is_no_ones(crypto, payment):
    digest = payment.digest(crypto, 1)
    assert is_signed_by(crypto, digest, b"\xff" * 65, payment.signer) is False
    assert is_signed_by(crypto, digest, b"", payment.signer) is False
