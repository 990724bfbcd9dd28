"""evm/code.py: deployed code is the contract's, or it is told where it is not."""

from __future__ import annotations

import pytest

from tallystick_shared.channel import channels_domain
from tallystick_shared.crypto import Crypto
from tallystick_shared.evm.abi import artefact
from tallystick_shared.evm.code import WORD, Difference, build_of, differences, immutables, runtime

CHAIN, ADDRESS = 8453, bytes(range(20))
BUILDS = [(name, evm) for name in ("Channels", "Registry") for evm in ("cancun", "paris")]


@pytest.fixture
def values(crypto: Crypto) -> dict[str, bytes]:
    """The immutables of the contracts on this chain, at this address."""
    return immutables(crypto, CHAIN, ADDRESS)


def standing(name: str, evm: str, values: dict[str, bytes]) -> bytes:
    """What the chain would hold."""
    wanted = runtime(artefact(name), evm)
    appended = sorted(wanted.immutables, key=wanted.immutables.__getitem__)
    return wanted.code + b"".join(values[each] for each in appended)


@pytest.mark.parametrize(("name", "evm"), BUILDS)
def test_the_contract_itself_has_no_differences(name: str, evm: str, values: dict[str, bytes]) -> None:
    wanted = runtime(artefact(name), evm)
    assert (wanted.name, wanted.evm) == (name, evm)
    assert differences(wanted, standing(name, evm, values), values) == []


@pytest.mark.parametrize(("name", "evm"), BUILDS)
def test_a_flipped_bit_is_found_in_every_byte(name: str, evm: str, values: dict[str, bytes]) -> None:
    wanted, good = runtime(artefact(name), evm), standing(name, evm, values)
    tampered = bytearray(good)
    for place in range(len(good)):
        tampered[place] ^= 1 << place % 8
        (wrong,) = differences(wanted, bytes(tampered), values)
        assert wrong.part in ("code", *wanted.immutables)
        assert wrong.at == (place if wrong.part == "code" else place - (place - len(wanted.code)) % WORD)
        tampered[place] = good[place]


@pytest.mark.parametrize(("name", "evm"), BUILDS)
def test_another_length_is_found(name: str, evm: str, values: dict[str, bytes]) -> None:
    wanted, good = runtime(artefact(name), evm), standing(name, evm, values)
    for found in (b"", good[:-1], good[1:], good + b"\0", wanted.code[:-WORD]):
        assert differences(wanted, found, values) == [Difference("size", len(found))]


def test_the_other_build_is_not_this_one(values: dict[str, bytes]) -> None:
    wanted = runtime(artefact("Registry"), "paris")
    assert differences(wanted, standing("Registry", "cancun", values), values) != []


def test_another_chain_or_address_is_found_in_the_immutables(crypto: Crypto, values: dict[str, bytes]) -> None:
    wanted, good = runtime(artefact("Channels"), "cancun"), standing("Channels", "cancun", values)
    both = [wrong.part for wrong in differences(wanted, good, immutables(crypto, CHAIN + 1, ADDRESS))]
    assert both == ["CHAIN_ID", "DOMAIN_SEPARATOR"]
    one = [wrong.part for wrong in differences(wanted, good, immutables(crypto, CHAIN, bytes(20)))]
    assert one == ["DOMAIN_SEPARATOR"]


def test_immutables_are_the_chain_and_its_domain(crypto: Crypto, values: dict[str, bytes]) -> None:
    assert {
        "CHAIN_ID": CHAIN.to_bytes(32, "big"),
        "DOMAIN_SEPARATOR": channels_domain(CHAIN, ADDRESS).separator(crypto),
    } == values


def test_an_evm_without_a_build_has_no_code() -> None:
    with pytest.raises(KeyError):
        build_of(artefact("Channels"), "berlin")
