"""Contracts that are wrong in one place each, and the test that notices: what the tests are worth."""

from __future__ import annotations

from typing import Any, NamedTuple

from contracts.build import SOURCES, compiled


class Mutant(NamedTuple):
    """One change of one source. ``test`` is module and function in this folder, ``given`` its parameters."""

    name: str
    file: str
    old: str
    new: str
    test: str
    given: dict[str, Any]


def source(name: str) -> str:
    """A contract as it is."""
    return (SOURCES / f"{name}.vy").read_text(encoding="utf-8")


def mutated(mutant: Mutant) -> str:
    """A contract as it should not be. The old text must stand in it exactly once."""
    text = source(mutant.file)
    assert text.count(mutant.old) == 1, f"{mutant.name}: {text.count(mutant.old)} places instead of one"
    return text.replace(mutant.old, mutant.new)


def creation_code(name: str, text: str) -> bytes:
    """Its creation code, in the usual build."""
    return bytes(compiled(text, name).bytecode)
