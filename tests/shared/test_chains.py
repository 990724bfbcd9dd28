"""Where the contracts are: the known table, the deterministic addresses, and what an unknown chain shows."""

from __future__ import annotations

import hashlib

import pytest

from tallystick_shared.chains import (
    CONTRACTS,
    EVMS,
    SALT,
    Deployment,
    Record,
    create2_address,
    creation,
    deployment,
    deterministic,
    entry_of,
    has_code,
    standing,
)
from tallystick_shared.errors import Code
from tests.shared.tools import drive, refused

WHERE = Deployment(5, b"\x01" * 20, b"\x02" * 20, 9)
DEAD = "deadbeef" + "00" * 16


class Codes:
    """An Rpc seat for a chain on which code stands at some addresses."""

    def __init__(self, *addresses):
        self.there, self.asked = {"0x" + address.hex() for address in addresses}, 0

    async def request(self, method, params):
        assert method == "eth_getCode" and params[1] == "latest"
        self.asked += 1
        return "0x60" if params[0] in self.there else "0x"


@pytest.mark.parametrize(
    ("deployer", "salt", "code", "address"),
    [
        # Examples 0, 1, 2 and 5 of EIP-1014.
        ("00" * 20, "00" * 32, "00", "4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"),
        (DEAD, "00" * 32, "00", "B928f69Bb1D91Cd65274e3c79d8986362984fDA3"),
        (DEAD, "00" * 12 + "feed" + "00" * 18, "00", "D04116cDd17beBE565EB2422F2497E06cC1C9833"),
        ("00" * 16 + "deadbeef", "00" * 28 + "cafebabe", "deadbeef", "60f3f640a8508fC6a86d45DF051962668E1e8AC7"),
    ],
)
def test_the_examples_of_the_standard(crypto, deployer, salt, code, address):
    found = create2_address(crypto, *(bytes.fromhex(part) for part in (deployer, salt, code)))
    assert found == bytes.fromhex(address)


@pytest.mark.parametrize("evm", EVMS)
def test_creation_code_is_the_pinned_one(evm):
    for name in CONTRACTS:
        made = creation(name, evm)
        assert hashlib.sha256(made.code).hexdigest() == made.sha256


def test_an_artefact_that_does_not_exist():
    with refused(Code.BAD_SETTINGS):
        creation("Channels", "homestead")


def test_every_code_and_salt_has_an_address_of_its_own(crypto):
    made = [creation(name, evm) for name in CONTRACTS for evm in EVMS]
    places = {one.address(crypto, salt) for one in made for salt in (SALT, b"\x01" * 32)}
    assert len(places) == 8


def test_the_addresses_do_not_depend_on_the_chain(crypto):
    one, other = deterministic(crypto, 1), deterministic(crypto, 8453)
    assert (one.registry, one.channels) == (other.registry, other.channels)
    assert (one.chain_id, other.chain_id) == (1, 8453)


@pytest.mark.parametrize(("evm", "reads"), [("cancun", 2), ("paris", 3)])
def test_an_unknown_chain_is_looked_at(crypto, evm, reads):
    there = deterministic(crypto, 7, evm)
    chain = Codes(there.registry, there.channels)
    assert drive(standing(chain, crypto, 7)) == there
    assert chain.asked == reads


def test_half_a_deployment_is_none(crypto):
    there = deterministic(crypto, 7)
    for address in (there.registry, there.channels):
        with refused(Code.NO_CONTRACTS):
            drive(standing(Codes(address), crypto, 7))


def test_a_chain_that_answers_null_has_no_code():
    class Null:
        async def request(self, method, params):
            return None

    assert not drive(has_code(Null(), bytes(20)))


def test_a_record_is_read_back():
    table = {"5": Record(WHERE, "paris", "create", {"Channels": "00", "Registry": "11"}).values()}
    assert entry_of(table, 5) == WHERE
    assert entry_of(table, 6) is None
    assert (table["5"]["evm"], table["5"]["how"]) == ("paris", "create")


def test_nothing_is_known_of_an_unknown_chain():
    with refused(Code.NO_CONTRACTS):
        deployment(2**40)
