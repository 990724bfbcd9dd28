"""verify.py: whoever doubts can tell from the source what is committed and what stands on a chain."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import verify
from contracts.anvil import Anvil
from contracts.build import CONTRACTS, EVM_VERSIONS
from contracts.machine import Contract
from tallystick_shared.chains import DEPLOYER, SALT

FLIPS = 60
"""Bytes changed on the chain, for each contract; tests/shared/test_evm_code.py changes every one in memory."""


@pytest.fixture(scope="module")
def deployed(chain: Anvil) -> Iterator[dict[str, dict[str, Contract]]]:
    """Both contracts in both builds on anvil, by EVM version and name."""
    with chain.anchored():
        made = {name: verify.from_source(name) for name in CONTRACTS}
        yield {
            evm: {
                name: chain.install(bytes.fromhex(verify.build_of(made[name], evm)["bytecode"][2:]), made[name]["abi"])
                for name in CONTRACTS
            }
            for evm in EVM_VERSIONS
        }


def test_what_is_committed_is_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([]) == 0
    assert len(re.findall(r"as committed, sha256 [0-9a-f]{64}\n", capsys.readouterr().out)) == 4


@pytest.mark.parametrize("change", ["bytecode", "paris", "abi"])
def test_a_changed_artefact_is_told(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in CONTRACTS:
        held = json.loads((verify.ABI_FOLDER / f"{name}.json").read_text())
        if name == "Registry":
            held[change] = {
                "bytecode": held["bytecode"][:-2] + "00",
                "paris": {**held["paris"], "bytecode": held["bytecode"]},
                "abi": held["abi"][1:],
            }[change]
        (tmp_path / f"{name}.json").write_text(json.dumps(held))
    monkeypatch.setattr(verify, "ABI_FOLDER", tmp_path)
    assert verify.main([]) == 1
    assert "DIFFERENT: Registry: the committed" in capsys.readouterr().out


@pytest.mark.parametrize("evm", EVM_VERSIONS)
def test_what_stands_on_a_chain_is_the_source(
    chain: Anvil, deployed: dict, evm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registry, channels = deployed[evm]["Registry"].address, deployed[evm]["Channels"].address
    assert verify.main(["--rpc", chain.url, "--registry", registry, "--channels", channels]) == 0
    told = capsys.readouterr().out
    assert f"Channels {evm:<6}  {channels.lower()} on chain 31337" in told
    assert f"Registry {evm:<6}  {registry.lower()} on chain 31337" in told


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_changed_byte_on_the_chain_is_found(chain: Anvil, deployed: dict, name: str) -> None:
    address = deployed["cancun"][name].address
    where, good = bytes.fromhex(address[2:]), chain.code(address)
    assert verify.deployed(name, good, chain.chain_id, where) == "cancun"
    # The ends and the immutables always; beside them a fixed choice over the whole length.
    places = {0, 1, len(good) - 1, len(good) - 32, len(good) - 33, len(good) - 64, len(good) - 65}
    places |= set(random.Random(4).sample(range(len(good)), FLIPS - len(places)))
    with chain.anchored():
        for place in places:
            tampered = good[:place] + bytes([good[place] ^ 0x40]) + good[place + 1 :]
            chain.rpc("anvil_setCode", address, "0x" + tampered.hex())
            with pytest.raises(verify.Failed, match=f"{name} at {address.lower()}: not the cancun build"):
                verify.deployed(name, chain.code(address), chain.chain_id, where)
    assert verify.deployed(name, chain.code(address), chain.chain_id, where) == "cancun"


def test_the_command_fails_on_a_changed_byte(chain: Anvil, deployed: dict, capsys: pytest.CaptureFixture[str]) -> None:
    address = deployed["paris"]["Channels"].address
    with chain.anchored():
        good = chain.code(address)
        chain.rpc("anvil_setCode", address, "0x" + (good[:-1] + bytes([good[-1] ^ 1])).hex())
        assert verify.main(["--rpc", chain.url, "--channels", address]) == 1
    assert "not the paris build: DOMAIN_SEPARATOR is 0x" in capsys.readouterr().out


def test_code_of_another_address_or_chain_is_not_ours(chain: Anvil, deployed: dict) -> None:
    """A copy of the code elsewhere would sign and count in another contract's domain."""
    address = deployed["cancun"]["Channels"].address
    good, where = chain.code(address), bytes.fromhex(address[2:])
    with pytest.raises(verify.Failed, match="DOMAIN_SEPARATOR"):
        verify.deployed("Channels", good, chain.chain_id, where[::-1])
    with pytest.raises(verify.Failed, match="CHAIN_ID"):
        verify.deployed("Channels", good, 1, where)


@pytest.mark.parametrize("evm", EVM_VERSIONS)
def test_the_usual_addresses_need_not_be_named(chain: Anvil, evm: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main(["--rpc", chain.url]) == 1
    assert "no deployment is known on chain 31337" in capsys.readouterr().out
    with chain.anchored():
        for name in CONTRACTS:
            code = bytes.fromhex(verify.build_of(verify.from_source(name), evm)["bytecode"][2:])
            assert chain.transact(chain.accounts[0], "0x" + DEPLOYER.hex(), SALT + code).ok
        assert verify.main(["--rpc", chain.url]) == 0
    told = capsys.readouterr().out
    assert all(re.search(rf"{name} {evm:<6}  0x[0-9a-f]{{40}} on chain 31337", told) for name in CONTRACTS)


def test_no_code_and_no_answer_are_told(chain: Anvil, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main(["--rpc", chain.url, "--channels", "0x" + "11" * 20]) == 1
    assert "there is no code" in capsys.readouterr().out
    assert verify.main(["--rpc", "http://127.0.0.1:9", "--channels", "0x" + "11" * 20]) == 1
    assert "NOT VERIFIED: http://127.0.0.1:9 does not answer eth_chainId" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        verify.main(["--rpc", chain.url, "--channels", "0x11"])
