"""Compile the contracts and write what the rest of the project reads.

    python contracts/build.py           write shared/tallystick_shared/abi/*.json (and an empty deployments.json)
    python contracts/build.py --check   write nothing; exit 1 when a file is stale or missing

Each file holds the ABI and the creation code of one contract, for two versions of the EVM: enough to deploy and to
call it without Vyper. Neither constructor takes arguments. The bytecode carries no metadata, so comments do not change
it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from vyper import __version__ as vyper_version
from vyper.compiler import CompilerData
from vyper.compiler.input_bundle import FileInput
from vyper.compiler.output import build_abi_output, build_layout_output
from vyper.compiler.settings import Settings, anchor_settings

CONTRACTS = ("Channels", "Registry")
COMPILER = "0.4.3"
EVM_VERSIONS = ("cancun", "paris")
"""The usual one first; the other is for chains that lack PUSH0 and transient storage."""

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "src"
SHARED = HERE.parent / "shared" / "tallystick_shared"
ABI_FOLDER = SHARED / "abi"
DEPLOYMENTS = SHARED / "deployments.json"


def compiled(source: str, name: str, evm: str = EVM_VERSIONS[0]) -> CompilerData:
    """Set up the compiler for one source text; its attributes compile on demand.

    The source's own pragmas choose the optimisation; `evm` is one of Vyper's names of EVM versions.
    """
    path = Path(f"{name}.vy")
    file = FileInput(source_id=0, path=path, resolved_path=path, contents=source)
    return CompilerData(file, settings=Settings(evm_version=evm), no_bytecode_metadata=True)


def creation(data: CompilerData) -> dict[str, Any]:
    """``bytecode`` (creation code, 0x hex) and ``sha256`` (hex, of its bytes), and about the code that it leaves on
    the chain ``runtime``: ``start`` (where it begins in the creation code, whose end it is), its ``sha256``, and the
    ``immutables`` that the constructor appends to it: name and offset, a word each.
    """
    with anchor_settings(data.settings):  # else the opcodes are those of the compiler's own default version
        code: bytes = data.bytecode
        runtime: bytes = data.bytecode_runtime
        appended = build_layout_output(data).get("code_layout", {})
    assert code.endswith(runtime) and all(each["length"] == 32 for each in appended.values())
    return {
        "bytecode": "0x" + code.hex(),
        "sha256": hashlib.sha256(code).hexdigest(),
        "runtime": {
            "start": len(code) - len(runtime),
            "sha256": hashlib.sha256(runtime).hexdigest(),
            "immutables": {name: each["offset"] for name, each in appended.items()},
        },
    }


@lru_cache
def artefact(source: str, name: str) -> dict[str, Any]:
    """Compile one contract.

    Returns ``contractName``, ``compiler``, ``evmVersion``, ``abi`` (list), and ``bytecode``, ``sha256`` and
    ``runtime``; these three also under the name of each other EVM version. Raises SystemExit when the installed Vyper
    is another version.
    """
    if vyper_version != COMPILER:
        raise SystemExit(f"contracts need vyper {COMPILER}, found {vyper_version}")
    usual, *others = EVM_VERSIONS
    data = compiled(source, name, usual)
    return {
        "contractName": name,
        "compiler": f"vyper {COMPILER}",
        "evmVersion": usual,
        "abi": build_abi_output(data),
        **creation(data),
        **{evm: creation(compiled(source, name, evm)) for evm in others},
    }


def rendered() -> dict[Path, str]:
    """Every generated file's path and text, for the sources as they are."""
    files: dict[Path, str] = {}
    for name in CONTRACTS:
        made = artefact((SOURCES / f"{name}.vy").read_text(encoding="utf-8"), name)
        files[ABI_FOLDER / f"{name}.json"] = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    return files


def stale() -> list[Path]:
    """Generated files that are missing or differ from what the sources give."""
    return [path for path, text in rendered().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def write() -> list[Path]:
    """Write the generated files that changed; returns their paths. ``deployments.json`` is made once, empty."""
    changed, texts = stale(), rendered()
    ABI_FOLDER.mkdir(parents=True, exist_ok=True)
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    if not DEPLOYMENTS.exists():
        DEPLOYMENTS.write_text("{}\n", encoding="utf-8")
        changed.append(DEPLOYMENTS)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(description="Compile the contracts into shared/tallystick_shared/abi.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a file is stale")
    options = parser.parse_args(arguments)
    if options.check:
        old = stale()
        for path in old:
            print(f"stale: {path.relative_to(HERE.parent)} (run: python contracts/build.py)")
        return 1 if old else 0
    for path in write():
        print(f"wrote {path.relative_to(HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
