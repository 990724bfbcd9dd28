"""build.py: the committed artefacts are those of the sources, and the command says so."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import build

PINNED = {
    ("Channels", "cancun"): "14d45ea4c7a4fe87718174bef9dc82fcdd9f1e462b91516229d492a49c1b465f",
    ("Channels", "paris"): "fc01b4a510bf679781cb1ba18a867d0402c2245fbbd919176712154a55ddbca4",
    ("Registry", "cancun"): "29abc57f0178f22e6a230c812ada401e6bbc8a6503f28d4a57c1faa2496b7df4",
    ("Registry", "paris"): "0627bbc3bbf13540d06d9e723cf56dcf6153cc444b0140eee0f05982a5067b9d",
}
"""sha256 of the creation code. Whoever changes the code changes these too, and knows that it is another contract."""


def test_artefacts_are_fresh() -> None:
    assert build.stale() == [], "run: python contracts/build.py"
    assert build.main(["--check"]) == 0


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place to write to."""
    monkeypatch.setattr(build, "HERE", tmp_path / "contracts")
    monkeypatch.setattr(build, "ABI_FOLDER", tmp_path / "abi")
    monkeypatch.setattr(build, "DEPLOYMENTS", tmp_path / "deployments.json")
    return tmp_path


def test_the_command_writes_what_is_committed(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--check"]) == 1
    assert "stale: abi/Channels.json" in capsys.readouterr().out
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    for name in build.CONTRACTS:
        assert (elsewhere / "abi" / f"{name}.json").read_bytes() == (build.SHARED / "abi" / f"{name}.json").read_bytes()
    assert (elsewhere / "deployments.json").read_text() == "{}\n"


def test_a_changed_artefact_is_stale_and_deployments_are_kept(elsewhere: Path) -> None:
    build.write()
    (elsewhere / "deployments.json").write_text('{"1": {}}\n')
    registry = elsewhere / "abi" / "Registry.json"
    registry.write_text(registry.read_text() + "\n")
    assert build.stale() == [registry]
    assert build.main(["--check"]) == 1
    assert build.write() == [registry]
    assert (elsewhere / "deployments.json").read_text() == '{"1": {}}\n'


@pytest.mark.parametrize("name", build.CONTRACTS)
def test_an_artefact_names_its_compiler_and_hash(name: str) -> None:
    made = json.loads((build.ABI_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert list(made) == ["contractName", "compiler", "evmVersion", "abi", "bytecode", "sha256", "runtime", "paris"]
    assert (made["contractName"], made["compiler"], made["evmVersion"]) == (name, "vyper 0.4.3", "cancun")
    assert made["bytecode"] != made["paris"]["bytecode"]
    for evm, code in codes(made).items():
        creation = bytes.fromhex(code["bytecode"][2:])
        assert code["sha256"] == hashlib.sha256(creation).hexdigest() == PINNED[name, evm]
        left = creation[code["runtime"]["start"] :]
        assert code["runtime"]["sha256"] == hashlib.sha256(left).hexdigest()


@pytest.mark.parametrize("name", build.CONTRACTS)
def test_no_known_flaw_of_the_compiler_touches_the_sources(name: str) -> None:
    """CVE-2026-114114 and 114116: letters of several bytes, and line ends that Python's parser does not know, change
    literals. 114115 and 114117: choices between nested arrays, or of `… | literal`. 114118: create_from_blueprint.
    """
    raw = (build.SOURCES / f"{name}.vy").read_bytes()
    assert raw.isascii() and not set(raw) & ({*range(32), 127} - {ord("\n")})
    code = "\n".join(line.partition("#")[0] for line in raw.decode().split("\n"))
    assert "create_from_blueprint" not in code
    choices = re.findall(r"^.*\bif\b.*\belse\b.*$", code, re.MULTILINE)
    assert [choice.strip() for choice in choices] == CHOICES[name]


CHOICES = {
    "Channels": ["before: uint256 = (word >> 112) & MAX_AMOUNT if depth == 0 else self.claimedBy[id][payee]"],
    "Registry": ["words.append(0 if record == 0 else self._word(record, self.entries[record >> 192]))"],
}
"""Every `a if b else c` of the sources: one more is looked at against the flaws above."""

NEWER = {0x5C: "TLOAD", 0x5D: "TSTORE", 0x5E: "MCOPY", 0x5F: "PUSH0", 0x49: "BLOBHASH", 0x4A: "BLOBBASEFEE"}
"""Opcodes that came after the Paris fork."""


def opcodes(code: bytes) -> Iterator[int]:
    """The instructions of some code, without what they push. Read to the end, past the code into its tables."""
    place = 0
    while place < len(code):
        yield code[place]
        place += 1 + (code[place] - 0x5F if 0x60 <= code[place] <= 0x7F else 0)


@pytest.mark.parametrize("name", build.CONTRACTS)
def test_the_paris_build_needs_nothing_newer(name: str) -> None:
    made = json.loads((build.ABI_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    used = {key: set(opcodes(bytes.fromhex(build_["bytecode"][2:]))) for key, build_ in codes(made).items()}
    assert used["paris"] & NEWER.keys() == set(), {NEWER[code] for code in used["paris"] & NEWER.keys()}
    newer = {"PUSH0", "MCOPY"} | ({"TLOAD", "TSTORE"} if name == "Channels" else set())  # Registry holds no lock
    assert newer <= {NEWER[code] for code in used["cancun"] & NEWER.keys()}


def codes(made: dict) -> dict[str, dict]:
    """An artefact's builds, by EVM version."""
    return {"cancun": made, "paris": made["paris"]}


def test_comments_do_not_change_the_code() -> None:
    source = (build.SOURCES / "Registry.vy").read_text(encoding="utf-8")
    assert build.artefact("# more\n" + source, "Registry") == build.artefact(source, "Registry")


@pytest.mark.parametrize("name", build.CONTRACTS)
def test_everything_outside_is_documented(name: str) -> None:
    data = build.compiled((build.SOURCES / f"{name}.vy").read_text(encoding="utf-8"), name)
    said = data.natspec.userdoc["methods"]
    for entry in build.build_abi_output(data):
        # Vyper makes the getters of public variables itself, without documentation.
        if entry["type"] == "function" and entry["name"] not in ("channels", "claimedBy", "unlockAt"):
            assert any(each.startswith(f"{entry['name']}(") for each in said), entry["name"]
