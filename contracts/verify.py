"""Verify the contracts from source: what is committed, and what stands on a chain.

    python -m contracts.verify                        compile, and compare with shared/tallystick_shared/abi/*.json
    python -m contracts.verify --rpc URL              and with the code on that chain, at the usual addresses
    python -m contracts.verify --rpc URL --registry 0x… --channels 0x… [--chain-id N]    at these

Nothing that is generated is trusted: the deployed code is held against what the pinned compiler makes of
contracts/src/*.vy now. The immutables that the constructor of Channels appends are masked in that comparison and then
checked by themselves: the chain's id and the EIP-712 domain separator are computed again. Exit status 1 where anything
differs or could not be seen. `--chain-id` is for a chain that changed its id after the deployment.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

from contracts.build import ABI_FOLDER, CONTRACTS, EVM_VERSIONS, SOURCES, artefact
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.chains import Deployment, deployment, deterministic
from tallystick_shared.errors import LocalError
from tallystick_shared.evm.code import Difference, build_of, differences, immutables, runtime

CRYPTO = NativeCrypto()


class Failed(Exception):
    """Something is not as the source says; the text tells what."""

    says = "DIFFERENT"


class NotSeen(Failed):
    """Nothing was compared: the endpoint gave no answer, or nobody knows where to look."""

    says = "NOT VERIFIED"


def from_source(name: str) -> dict[str, Any]:
    """The artefact that the compiler makes of a contract's source now."""
    return artefact((SOURCES / f"{name}.vy").read_text(encoding="utf-8"), name)


def committed() -> Iterator[str]:
    """Holds the artefacts against the sources; gives a line for each. Raises Failed."""
    for name in CONTRACTS:
        made = from_source(name)
        held = json.loads((ABI_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        for evm in EVM_VERSIONS:
            if build_of(held, evm) != build_of(made, evm):
                raise Failed(f"{name}: the committed {evm} code is not what {made['compiler']} makes of the source")
            yield f"{name} {evm:<6}  creation code as committed, sha256 {build_of(made, evm)['sha256']}"
        if held != made:
            raise Failed(f"{name}: the committed ABI is not that of the source")


def deployed(name: str, found: bytes, chain_id: int, address: bytes) -> str:
    """Holds deployed code against the source; returns which build it is. Raises Failed with every difference."""
    where = f"{name} at 0x{address.hex()}"
    if not found:
        raise Failed(f"{where}: there is no code")
    made, values = from_source(name), immutables(CRYPTO, chain_id, address)
    seen = {evm: differences(runtime(made, evm), found, values) for evm in EVM_VERSIONS}
    for evm, wrong in seen.items():
        if not wrong:
            return evm
    told = "; ".join(f"not the {evm} build: {', '.join(map(words, wrong))}" for evm, wrong in seen.items())
    raise Failed(f"{where}: {told}")


def words(wrong: Difference) -> str:
    """A difference as a person reads it."""
    if wrong.part == "size":
        return f"{wrong.at} bytes of code"
    if wrong.part == "code":
        return f"byte {wrong.at} is {wrong.found.hex()}, not {wrong.wanted.hex()}"
    return f"{wrong.part} is 0x{wrong.found.hex()}, not 0x{wrong.wanted.hex()}"


class Chain:
    """A JSON-RPC endpoint, asked with nothing but the standard library."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, *params: Any) -> str:
        """The result of one call. Raises NotSeen with the endpoint's own words."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        # A name of its own: some public endpoints turn the library's away.
        headers = {"Content-Type": "application/json", "User-Agent": "tallystick-verify"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=30) as answer:
                said = json.load(answer)
            return str(said["result"])
        except (OSError, ValueError, KeyError) as error:
            raise NotSeen(f"{self.url} does not answer {method}: {error}") from None

    def code(self, address: bytes) -> bytes:
        """The code at an address; empty where there is none."""
        return bytes.fromhex(self.ask("eth_getCode", "0x" + address.hex(), "latest")[2:])

    def usual(self, chain_id: int) -> Deployment:
        """The deployment on file, else whichever of the deterministic ones stands. Raises NotSeen."""
        try:
            return deployment(chain_id)
        except LocalError:
            for evm in EVM_VERSIONS:
                where = deterministic(CRYPTO, chain_id, evm)  # type: ignore[arg-type]
                if self.code(where.channels):
                    return where
        raise NotSeen(f"no deployment is known on chain {chain_id}: give --registry and --channels")


def on_chain(options: argparse.Namespace) -> Iterator[str]:
    """Holds both contracts on a chain against the sources; gives a line for each. Raises Failed."""
    chain = Chain(options.rpc)
    chain_id = options.chain_id or int(chain.ask("eth_chainId"), 16)
    named = {"Registry": options.registry, "Channels": options.channels}
    if not any(named.values()):
        where = chain.usual(chain_id)
        named = {"Registry": where.registry, "Channels": where.channels}
    for name, address in named.items():
        if address is not None:
            found = chain.code(address)
            evm = deployed(name, found, chain_id, address)
            yield f"{name} {evm:<6}  0x{address.hex()} on chain {chain_id}: {len(found)} bytes, all as the source says"


def address(text: str) -> bytes:
    """20 bytes from hex. Raises ValueError."""
    found = bytes.fromhex(text.removeprefix("0x"))
    if len(found) != 20:
        raise ValueError("an address has 20 bytes")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="verify-contracts", description="Verify the contracts from their source.")
    parser.add_argument("--rpc", metavar="URL", help="also look at a chain, through this JSON-RPC endpoint")
    parser.add_argument("--registry", type=address, metavar="0x…", help="where Registry stands")
    parser.add_argument("--channels", type=address, metavar="0x…", help="where Channels stands")
    parser.add_argument("--chain-id", type=int, metavar="N", help="the chain's id at the deployment, if it changed")
    options = parser.parse_args(arguments)
    try:
        for line in committed():
            print(line)
        if options.rpc:
            for line in on_chain(options):
                print(line)
    except Failed as failed:
        print(f"{failed.says}: {failed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
