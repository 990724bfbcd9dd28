"""forge and halmos on the contracts' own creation code: how to start them and to read what they say.

The Solidity files in ``tests/contracts/forge`` deploy the code that an environment variable hands them, so that the
very bytes are fuzzed and proved that are deployed, and a broken contract is tried without compiling anything again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from contracts.build import SOURCES, compiled
from contracts.machine import ROOT

FOLDER = Path(__file__).with_name("forge")
BUILD = ROOT / ".tallystick" / "forge"
"""Where forge keeps what it compiled; it compiles again only what has changed."""


HALMOS = ROOT / ".tallystick" / "halmos"
"""halmos wants an older rich than the rest of this project: it has a folder of its own, filled when first needed."""

PROOFS = ROOT / ".tallystick" / "proofs"
"""What forge compiles for halmos. Made anew by each run of the tests, for halmos stumbles over a stale one."""

LOCK = ROOT / "requirements" / "halmos.lock"


@dataclass(frozen=True)
class Campaign:
    """One invariant under random calls. `done` counts the handler's steps that came to their end."""

    name: str
    ok: bool
    reason: str
    calls: int
    done: Counter[str] = field(default_factory=Counter)


def forge_binary() -> str:
    """Path of forge: npm's program for this platform, else the one on PATH. Raises FileNotFoundError."""
    own = sorted(ROOT.glob("node_modules/@foundry-rs/forge-*/bin/forge*"))
    found = str(own[0]) if own else shutil.which("forge")
    if not found:
        raise FileNotFoundError("forge is missing: run `npm ci`")
    return found


def deployed_code(name: str) -> str:
    """Creation code of a committed artefact, 0x hex."""
    path = ROOT / "shared" / "tallystick_shared" / "abi" / f"{name}.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["bytecode"])


@cache
def broken_code(name: str, old: str, new: str) -> str:
    """Creation code of a contract of which one passage reads otherwise, 0x hex. The passage must be there."""
    source = (SOURCES / f"{name}.vy").read_text(encoding="utf-8")
    assert old in source, f"{name}.vy has no {old!r}"
    return "0x" + compiled(source.replace(old, new), name).bytecode.hex()


def environment(build: Path = BUILD, **codes: str) -> dict[str, str]:
    """What forge and the Solidity files read; `codes` replaces a contract's creation code."""
    own = {"CHANNELS": deployed_code("Channels"), "REGISTRY": deployed_code("Registry")}
    places = {
        "FOUNDRY_SOLC": FOLDER / "solc.mjs",
        "FOUNDRY_OUT": build / "out",
        "FOUNDRY_CACHE_PATH": build / "cache",
        "FOUNDRY_INVARIANT_FAILURE_PERSIST_DIR": build / "failures",
        "FOUNDRY_FUZZ_FAILURE_PERSIST_DIR": build / "failures",
    }
    return os.environ | own | codes | {name: str(path) for name, path in places.items()}


def run_invariants(runs: int, depth: int, seed: int = 1, only: str = "invariant", **codes: str) -> list[Campaign]:
    """Run forge's invariants: `runs` lives of `depth` steps for each. Raises RuntimeError when forge itself fails.

    With `codes` the contract is a broken one: then no failing life is made shorter, which takes long.
    """
    # A failure kept from another run, perhaps of a broken contract, would be tried again first.
    shutil.rmtree(BUILD / "failures", ignore_errors=True)
    length = {
        "FOUNDRY_INVARIANT_RUNS": str(runs),
        "FOUNDRY_INVARIANT_DEPTH": str(depth),
        "FOUNDRY_FUZZ_SEED": hex(seed),
        "FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT": "0" if codes else "500",
    }
    command = [forge_binary(), "test", "--json", "--match-test", only]
    done = subprocess.run(
        command,
        cwd=FOLDER,
        env=environment(**codes) | length,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.startswith("{"):
        raise RuntimeError(f"forge: {(done.stdout + done.stderr)[-2000:]}")
    return list(campaigns(json.loads(done.stdout)))


def campaigns(told: dict[str, Any]) -> Iterator[Campaign]:
    """The invariants in what forge tells in JSON."""
    for suite in told.values():
        for name, result in suite["test_results"].items():
            kind = result["kind"].get("Invariant", {})
            rows = kind.get("metrics", {}).items()
            done = Counter({step.rsplit(".", 1)[1]: row["calls"] - row["discards"] for step, row in rows})
            ok = result["status"] == "Success"
            yield Campaign(name.removesuffix("()"), ok, result["reason"] or "", kind.get("calls", 0), done)


@dataclass(frozen=True)
class Verdict:
    """What halmos found of one property. Proved: in every path, for all values; else a counterexample, or no answer."""

    name: str
    proved: bool
    refuted: bool
    paths: int
    seconds: float


def install_halmos() -> None:
    """Put halmos in its folder, unless it is there as the lock says. Raises CalledProcessError."""
    mark = HALMOS / "lock"
    if mark.is_file() and mark.read_bytes() == LOCK.read_bytes():
        return
    shutil.rmtree(HALMOS, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "--target", str(HALMOS), "-r", str(LOCK)], check=True, capture_output=True)
    mark.write_bytes(LOCK.read_bytes())


def prove(contract: str, only: str, seconds: int = 120, **codes: str) -> dict[str, Verdict]:
    """Ask halmos for the properties whose names begin so, each query of the solver within `seconds`.

    Raises RuntimeError when halmos itself fails.
    """
    own = environment(PROOFS, **codes) | {"FOUNDRY_SRC": "proofs", "FOUNDRY_TEST": "proofs", "PYTHONPATH": str(HALMOS)}
    own["PATH"] = os.pathsep.join([str(Path(forge_binary()).parent), str(HALMOS / "bin"), own["PATH"]])
    # Vyper's mappings are laid out in another way than Solidity's: the generic layout knows no order. The bound of
    # loops is above any that is met: halmos would leave out what lies behind it.
    how = ["--storage-layout", "generic", "--loop", "64", "--solver-timeout-assertion", f"{seconds}s", "--no-status"]
    with tempfile.NamedTemporaryFile(suffix=".json") as told:
        what = ["--root", ".", "--forge-build-out", str(PROOFS / "out"), "--json-output", told.name]
        which = ["--contract", contract, "--match-test", f"^{only}"]
        command = [sys.executable, "-m", "halmos", *what, *which, *how]
        done = subprocess.run(command, cwd=FOLDER, env=own, capture_output=True, text=True, check=False)
        answer = Path(told.name).read_text(encoding="utf-8")
    if not answer:
        raise RuntimeError(f"halmos: {(done.stdout + done.stderr)[-2000:]}")
    return {verdict.name: verdict for verdict in verdicts(json.loads(answer))}


def verdicts(told: dict[str, Any]) -> Iterator[Verdict]:
    """The properties in what halmos tells in JSON."""
    for results in told["test_results"].values():
        for result in results:
            name = result["name"].partition("(")[0]
            proved = result["exitcode"] == 0 and not result["num_bounded_loops"]
            yield Verdict(name, proved, result["exitcode"] == 1, result["num_paths"][0], result["time"][0])
