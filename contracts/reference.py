"""The reference of the contracts, as Markdown: ABI with its documentation, refusals, gas and sizes.

Everything comes from the sources, the artefacts and gas.json; only the words for people stand in `contracts.words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from vyper import ast
from vyper.compiler import CompilerData

from contracts.build import CONTRACTS, EVM_VERSIONS, SOURCES, artefact, compiled
from contracts.gas import DESIGN, kept
from contracts.machine import canonical, signature_hash
from contracts.words import GAS, MORPHEUS, REFUSALS, SIZES
from tallystick_shared.evm.code import build_of, runtime

HEAD = """# Contracts: reference

*Made by `./run docs` from `contracts/src/*.vy`, the generated artefacts and `contracts/gas.json`; the test run fails
where it is stale.*

How the functions go together is told in [the life of a channel](../topics/life-of-a-channel.md); how to verify that the
code on a chain is this code, in [verifying the contracts](../topics/verify-contracts.md). Amounts are integers in the
token's smallest unit, times are Unix seconds.
"""
GAS_HEAD = """
## Gas

`gasUsed` of real receipts on anvil with the rules of `osaka`, intrinsic cost and calldata included; the same in every
run. A run of the tests measures again and fails where a figure is not that of `contracts/gas.json`, or is above the
design's by more than 3 %. Morpheus' figures were measured on its diamond in the same way. The profile of one offer has
{profile_1_offer_bytes:,} bytes, that of ten {profile_10_offers_bytes:,}: both really encoded and signed.

"""
CODE_HEAD = """
## Code

{compiler}, no metadata. `cancun` is the usual build; `paris` is for chains without PUSH0 and transient storage. A
chain takes 24,576 bytes at most (EIP-170). The hash is of the creation code; neither constructor takes arguments.

"""
REFUSALS_HEAD = """
## Refusals

A refusal reverts with one word (`Error(string)`). No word comes with malformed encoding, with value sent to a function
that takes none, with a second entry during a payment, with a receiver that refuses its money, and with a token that
reverts by itself or whose address has no code. `claim` and `claimPacked` skip bad records instead of refusing.

"""


def table(*rows: tuple[Any, ...]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = ([str(cell).replace("|", "\\|") for cell in row] for row in rows)
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def source(name: str) -> str:
    """A contract's text."""
    return (SOURCES / f"{name}.vy").read_text(encoding="utf-8")


@lru_cache
def analysed(name: str) -> CompilerData:
    """A contract as the compiler understands it; not for its code, which depends on the EVM version."""
    return compiled(source(name), name)


def refusals_of(data: CompilerData) -> dict[str, list[str]]:
    """The words with which each external function can refuse, its helpers' included, as the source has them."""
    module = data.annotated_vyper_module
    functions = {each.name: each for each in module.get_children(ast.FunctionDef)}

    def words(name: str) -> list[str]:
        found = [each.msg.value for each in functions[name].get_descendants(ast.Assert) if each.msg is not None]
        for call in functions[name].get_descendants(ast.Call):
            target = call.func
            if isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == "self":
                found += words(target.attr)
        return list(dict.fromkeys(found))

    return {name: words(name) for name in functions if not name.startswith("_")}


def comments_of(text: str, opening: str) -> dict[str, str]:
    """What stands beside the fields of `struct X:` or `event X:`, by field."""
    lines = text[text.index(f"\n{opening}:\n") + 1 :].splitlines()[1:]
    found: dict[str, str] = {}
    for line in lines:
        if not line.startswith("    "):
            break
        field, _, comment = line.strip().partition("#")
        found[field.partition(":")[0].strip()] = comment.strip()
    return found


def getters_of(text: str) -> dict[str, str]:
    """The notice above each public variable: its getter has no other documentation."""
    found = {}
    for comment, name in re.findall(r"((?:^#.*\n)+)^(\w+): public\(", text, re.M):
        found[name] = re.sub(r"\s*\n#\s*", " ", comment.removeprefix("# @notice ")).strip()
    return found


def function_part(entry: dict[str, Any], natspec: Any, getters: dict[str, str], refused: list[str]) -> Iterator[str]:
    """One function."""
    inputs = ", ".join(f"{_kind(each)} {each['name']}".strip() for each in entry["inputs"])
    outputs = ", ".join(_kind(each) for each in entry["outputs"])
    key = f"{entry['name']}({','.join(map(canonical, entry['inputs']))})"
    doc = natspec.devdoc["methods"].get(key, {})
    notice = natspec.userdoc["methods"].get(key, {}).get("notice") or getters[entry["name"]]
    yield f"### `{entry['name']}`\n"
    yield f"`{entry['name']}({inputs}){f' → {outputs}' if outputs else ''}` · {entry['stateMutability']} · selector "
    yield f"`0x{signature_hash(entry)[:4].hex()}`\n\n{notice}\n"
    if "details" in doc:
        yield f"\n{doc['details']}\n"
    if "params" in doc:
        rows = [(f"`{name}`", text) for name, text in doc["params"].items()]
        yield "\n" + table(("argument", "meaning"), *rows) + "\n"
    if "returns" in doc:
        yield f"\nReturns: {' '.join(doc['returns'].values())}\n"
    if refused and "Reverts with" not in doc.get("details", ""):
        yield f"\nReverts with: {', '.join(refused)}.\n"
    yield "\n"


def _kind(parameter: dict[str, Any]) -> str:
    """A parameter's type, a structure by its name."""
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    name = "Claim" if any(part["name"] == "config" for part in parameter["components"]) else "Config"
    return name + kind[5:]


def fields_part(text: str, opening: str, fields: list[dict[str, Any]]) -> str:
    """The fields of a structure or an event."""
    comments = comments_of(text, opening)
    rows = [
        (f"`{each['name']}`", _kind(each), "yes" if each.get("indexed") else "", comments[each["name"]])
        for each in fields
    ]
    if opening.startswith("struct"):
        return table(("field", "type", "meaning"), *((name, kind, said) for name, kind, _, said in rows))
    return table(("field", "type", "indexed", "meaning"), *rows)


def contract_part(name: str) -> Iterator[str]:
    """One contract: what it is, structures, functions, events."""
    text = source(name)
    data = analysed(name)
    natspec, abi = data.natspec, artefact(text, name)["abi"]
    refused, getters = refusals_of(data), getters_of(text)
    yield f"\n## {name}\n\n{natspec.userdoc['notice']}\n\n{natspec.devdoc['details']}\n"
    for struct, fields in structures(abi).items():
        yield f"\n### Structure `{struct}`\n\n{fields_part(text, f'struct {struct}', fields)}\n"
    yield "\n"
    for entry in abi:
        if entry["type"] == "function":
            yield from function_part(entry, natspec, getters, refused.get(entry["name"], []))
    for entry in abi:
        if entry["type"] == "event":
            event = entry["name"]
            yield f"### Event `{event}`\n\nTopic `0x{signature_hash(entry).hex()}`\n\n"
            yield fields_part(text, f"event {event}", entry["inputs"]) + "\n\n"


def structures(abi: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The structures that functions take, by name."""
    found: dict[str, list[dict[str, Any]]] = {}

    def look(parameter: dict[str, Any]) -> None:
        if parameter["type"].startswith("tuple"):
            found[_kind(parameter).partition("[")[0]] = parameter["components"]
            for part in parameter["components"]:
                look(part)

    for entry in abi:
        for parameter in entry.get("inputs", []) if entry["type"] == "function" else []:
            look(parameter)
    return found


def refusals_part() -> str:
    """Every word, where it comes from, what it means and what to do."""
    where: dict[tuple[str, str], list[str]] = {}
    for name in CONTRACTS:
        for function, words in refusals_of(analysed(name)).items():
            for word in words:
                where.setdefault((name, word), []).append(function)
    if missing := where.keys() ^ REFUSALS.keys():
        raise SystemExit(f"contracts/words.py and the sources differ in the refusals {sorted(missing)}")
    rows = [
        (f"`{word}`", name, ", ".join(f"`{each}`" for each in where[name, word]), *said)
        for (name, word), said in REFUSALS.items()
    ]
    return REFUSALS_HEAD + table(("word", "contract", "refused by", "because", "what to do"), *rows) + "\n"


def gas_part() -> str:
    """The table of gas, with the figures of the design and of Morpheus."""
    held = kept()
    if missing := held.keys() ^ (GAS.keys() | SIZES.keys()):
        raise SystemExit(f"contracts/words.py and contracts/gas.json differ in {sorted(missing)}")
    rows = [(said, f"{held[key]:,}", *_against(held, key), MORPHEUS.get(key, "")) for key, said in GAS.items()]
    return GAS_HEAD.format_map(held) + table(("operation", "gas", "design", "against it", "Morpheus"), *rows) + "\n"


def _against(held: dict[str, int], key: str) -> tuple[str, str]:
    """The design's figure, and how far from it the measured one is."""
    if key not in DESIGN:
        return "", ""
    percent = round(100 * held[key] / DESIGN[key] - 100, 1)
    return f"{DESIGN[key]:,}", f"{percent:+} %" if percent else "equal"


def code_part() -> str:
    """Sizes and hashes of both builds."""
    held = kept()
    rows = []
    for name in CONTRACTS:
        made = artefact(source(name), name)
        for evm in EVM_VERSIONS:
            build = build_of(made, evm)
            usual = evm == EVM_VERSIONS[0]
            gas = f"{held[f'deploy_{name.lower()}']:,}" if usual else ""
            rows.append((name, evm, f"{runtime(made, evm).size:,}", gas, f"`{build['sha256']}`"))
    names = ("contract", "build", "deployed bytes", "gas to deploy", "sha256 of the creation code")
    return CODE_HEAD.format(compiler=made["compiler"].capitalize()) + table(names, *rows) + "\n"


def reference() -> str:
    """The whole page. Raises SystemExit where words are missing."""
    parts = [HEAD, gas_part(), code_part(), refusals_part()]
    for name in CONTRACTS:
        parts += contract_part(name)
    return "".join(parts).rstrip("\n") + "\n"
