"""reference.py: the documents cannot lie, because the sources are documented and every table is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from contracts import gas, reference, words
from contracts.build import CONTRACTS, artefact
from contracts.machine import canonical


def functions(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any], str]]:
    """Each function of a contract with its NatSpec: ABI entry, developer's part, notice."""
    text = reference.source(name)
    natspec = reference.analysed(name).natspec
    for entry in artefact(text, name)["abi"]:
        if entry["type"] == "function":
            key = f"{entry['name']}({','.join(map(canonical, entry['inputs']))})"
            notice = natspec.userdoc["methods"].get(key, {}).get("notice", "")
            yield entry, natspec.devdoc["methods"].get(key, {}), notice


@pytest.mark.parametrize("name", CONTRACTS)
def test_natspec_is_complete(name: str) -> None:
    """Title, licence and notice of the contract; notice, every argument and every result of each function."""
    natspec = reference.analysed(name).natspec
    assert natspec.userdoc["notice"] and {"title", "license", "details"} <= natspec.devdoc.keys()
    getters = reference.getters_of(reference.source(name))
    seen = set()
    for entry, doc, notice in functions(name):
        if entry["name"] in getters:  # Vyper gives the getters of public variables no documentation of their own
            assert getters[entry["name"]]
            seen.add(entry["name"])
            continue
        assert notice, entry["name"]
        assert list(doc.get("params", {})) == [each["name"] for each in entry["inputs"]], entry["name"]
        assert bool(doc.get("returns")) == bool(entry["outputs"]), entry["name"]
    assert seen == getters.keys()


@pytest.mark.parametrize("name", CONTRACTS)
def test_natspec_names_every_refusal(name: str) -> None:
    """`Reverts with: …` lists the words of the function and its helpers; a function that lists none has at most a
    token that will not move.
    """
    refused = reference.refusals_of(reference.analysed(name))
    told = 0
    for entry, doc, _ in functions(name):
        words_of = set(refused.get(entry["name"], []))
        found = re.search(r"Reverts with: ([a-z, ]+)", doc.get("details", ""))
        if found is None:
            assert words_of <= {"token"}, entry["name"]
            continue
        listed = re.sub(r",? and (when|as).*", "", found[1]).strip(" ,")
        assert set(listed.split(", ")) == words_of, entry["name"]
        told += 1
    assert told >= 5


@pytest.mark.parametrize("name", CONTRACTS)
def test_fields_of_events_and_structures_are_documented(name: str) -> None:
    text = reference.source(name)
    abi = artefact(text, name)["abi"]
    parts = {f"event {entry['name']}": entry["inputs"] for entry in abi if entry["type"] == "event"}
    parts |= {f"struct {struct}": fields for struct, fields in reference.structures(abi).items()}
    for opening, fields in parts.items():
        comments = reference.comments_of(text, opening)
        assert all(comments[field["name"]] for field in fields), opening


def test_the_page_has_every_function_event_word_and_figure() -> None:
    page = reference.reference()
    for name in CONTRACTS:
        for entry in artefact(reference.source(name), name)["abi"]:
            if entry["type"] in ("function", "event"):
                assert f"`{entry['name']}`\n" in page
    assert all(f"| `{word}` | {name} |" in page for name, word in words.REFUSALS)
    held = gas.kept()
    assert all(f"| {said} | {held[key]:,} |" in page for key, said in words.GAS.items())


def test_a_word_or_figure_without_words_stops_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(words.REFUSALS, ("Channels", "early"))
        with pytest.raises(SystemExit, match="early"):
            reference.refusals_part()
    monkeypatch.delitem(words.GAS, "top_up")
    with pytest.raises(SystemExit, match="top_up"):
        reference.gas_part()
