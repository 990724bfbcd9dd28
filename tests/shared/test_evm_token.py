"""Deposits in tokens: what the payer signs, in which domain, and the call data that carries it."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick_shared.channel import Config
from tallystick_shared.deposit import Deposit, opening_call
from tallystick_shared.evm.channels import Channels, packed_record
from tallystick_shared.evm.eip712 import Domain
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.evm.token import PERMIT, RECEIVE, Permission, Token, opening_nonce, permit_values, receive_values
from tallystick_shared.voucher import Signed
from tests.shared.channel_samples import CONTRACT, SAMPLES, SIGNER
from tests.shared.tools import drive

TOKEN = b"\x77" * 20
OWNER = b"\x11" * 20
CONFIG = Config(OWNER, b"\x02" * 20, b"\x03" * 32, TOKEN, 86400, b"\x04" * 32)
CONFIG_TYPE = "(address,address,bytes32,address,uint32,bytes32)"
SIGNATURE = b"\xaa" * 32 + b"\xbb" * 32 + b"\x1b"


class Answers:
    """An Rpc seat for one token: what functions without arguments answer, by name and `_`; the rest reverts."""

    def __init__(self, crypto, **answers):
        self.answers = {crypto.keccak256(f"{name[:-1]}()".encode())[:4].hex(): data for name, data in answers.items()}

    async def request(self, method, params):
        data = self.answers.get(params[0]["data"][2:10])
        if data is None:
            raise RpcError(3, "execution reverted")
        return "0x" + data.hex()


def told(kind, value):
    return encode([kind], [value])


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_packed_records_are_the_pinned_ones(name):
    sample = SAMPLES[name]
    config = Config(sample.payer, SIGNER, sample.root, sample.token, sample.delay, sample.salt)
    voucher = Signed(sample.total, sample.signature)
    assert packed_record(config, voucher, sample.leaf_salt, sample.proof) == sample.packed


def test_what_cannot_be_packed():
    assert packed_record(CONFIG, Signed(5, SIGNATURE)) is not None
    assert packed_record(CONFIG, Signed(5, bytes(128))) is None
    assert packed_record(CONFIG, Signed(1 << 112, SIGNATURE)) is None
    assert packed_record(CONFIG, Signed(5, SIGNATURE), b"\x01" * 32) is None
    assert packed_record(CONFIG, Signed(5, SIGNATURE), bytes(32), (bytes(32),)) is None


def test_the_domain_is_the_one_whose_separator_the_token_names(crypto):
    for version in ("1", "2", "7"):
        domain = Domain("Coin", 5, TOKEN, version)
        separator = domain.separator(crypto)
        plain = Answers(crypto, DOMAIN_SEPARATOR_=separator, name_=told("string", "Coin"))
        full = Answers(
            crypto, DOMAIN_SEPARATOR_=separator, name_=told("string", "Coin"), version_=told("string", version)
        )
        assert drive(Token(crypto, TOKEN).domain(full, 5)) == domain
        assert drive(Token(crypto, TOKEN).domain(plain, 5)) == (None if version == "7" else domain)
        assert drive(Token(crypto, TOKEN).domain(full, 6)) is None, "another chain's"


def test_a_token_without_permits_or_with_a_domain_of_its_own_kind_has_none(crypto):
    for answers in ({}, {"name_": told("string", "Coin")}, {"DOMAIN_SEPARATOR_": bytes(32), "name_": b"\1"}):
        assert drive(Token(crypto, TOKEN).domain(Answers(crypto, **answers), 5)) is None


def test_what_it_says_of_itself(crypto):
    shy = Answers(crypto)
    loud = Answers(crypto, decimals_=told("uint8", 6), symbol_=told("string", "US\u202ed" * 9))
    assert (drive(Token(crypto, TOKEN).decimals(shy)), drive(Token(crypto, TOKEN).symbol(shy))) == (18, "tokens")
    assert drive(Token(crypto, TOKEN).decimals(loud)) == 6
    assert drive(Token(crypto, TOKEN).symbol(loud)) == "USdUSdUSdUSd", "nothing that turns the text around"


def test_permit_and_authorisation_have_their_standards_type_hashes(crypto):
    """EIP-2612 and EIP-3009 print them."""
    assert crypto.keccak256(PERMIT.encode()).hex() == "6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9"
    assert (
        crypto.keccak256(RECEIVE.encode()).hex() == "d099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8"
    )


def test_the_opening_nonce_binds_channel_and_expiry(crypto):
    assert opening_nonce(crypto, b"\1" * 32, 9) == crypto.keccak256(b"\1" * 32 + (9).to_bytes(32, "big"))


def test_values_of_both(crypto):
    assert list(permit_values(OWNER, CONTRACT, 5, 1, 9)) == ["owner", "spender", "value", "nonce", "deadline"]
    assert list(receive_values(OWNER, CONTRACT, 5, bytes(32), 0, 9)) == [
        "from", "to", "value", "validAfter", "validBefore", "nonce",
    ]  # fmt: skip


def test_call_data_of_both(crypto):
    channels = Channels(crypto, CONTRACT)
    permit = channels.open_permit(CONFIG, 9, 10, Permission(99, SIGNATURE))
    kinds = [CONFIG_TYPE, "uint256", "uint256", "uint256", "uint8", "bytes32", "bytes32"]
    assert permit[4:] == encode(kinds, [CONFIG.abi(), 9, 10, 99, 27, b"\xaa" * 32, b"\xbb" * 32])
    authorized = channels.open_authorized(CONFIG, 9, 10, Permission(99, SIGNATURE, after=3))
    kinds.insert(3, "uint256")
    assert authorized[4:] == encode(kinds, [CONFIG.abi(), 9, 10, 3, 99, 27, b"\xaa" * 32, b"\xbb" * 32])
    with pytest.raises(ValueError):
        channels.open_permit(CONFIG, 9, 10, Permission(99, SIGNATURE[:64]))


def test_a_deposit_in_a_token_sends_no_value(crypto, deposit_in):
    coin, token = deposit_in(bytes(20)), deposit_in(TOKEN)
    assert opening_call(crypto, coin)["value"] == hex(1000)
    assert opening_call(crypto, token)["value"] == "0x0"
    permit = opening_call(crypto, token, Permission(99, SIGNATURE))
    assert permit["data"][:10] != opening_call(crypto, token)["data"][:10]
    assert permit["value"] == "0x0"


@pytest.fixture
def deposit_in(crypto):
    def make(token):
        config = Config(OWNER, crypto.secp256k1_address(b"\5" * 32), b"\3" * 32, token, 900, b"\4" * 32)
        return Deposit(1, b"\6" * 20, CONTRACT, config.body(), b"\5" * 32, OWNER, OWNER, OWNER, "1000", 10**9)

    return make
