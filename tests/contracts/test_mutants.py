"""Each mutant of the contracts is caught by the test that it names; the contract as it is passes the same call.

The short form takes a fixed third of them, the full one all. Compiled code is kept by its hash in pytest's cache.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts.anvil import Anvil
from contracts.build import COMPILER
from contracts.machine import Machine, Reverted
from tallystick_shared.evm.abi import artefact
from tests.conftest import is_full
from tests.contracts.mutants import Mutant, claims, creation_code, ends, mutated, opens
from tests.contracts.pyevm import PyEvm
from tests.contracts.stateful.runs import SUMMARY
from tests.contracts.world import World

ALL = [*opens.MUTANTS, *claims.MUTANTS, *ends.MUTANTS]
CHOSEN = ALL if is_full() else ALL[::3]
ON_PYEVM = {"pyevm", "bare"}
"""Worlds that a test asks for by these names are py-evm's; any other is anvil's."""


class Codes:
    """Creation code of mutants, compiled beside the tests by as many processes as there are cores."""

    def __init__(self, pool: ProcessPoolExecutor, folder: Path | None) -> None:
        self._pool, self._folder = pool, folder
        self._begun: dict[str, Future[bytes]] = {}

    def _kept(self, mutant: Mutant) -> Path | None:
        name = hashlib.sha256(f"{COMPILER}\n{mutated(mutant)}".encode()).hexdigest()
        return self._folder / name if self._folder else None

    def begin(self, mutant: Mutant) -> None:
        kept = self._kept(mutant)
        if kept is None or not kept.is_file():
            self._begun[mutant.name] = self._pool.submit(creation_code, mutant.file, mutated(mutant))

    def of(self, mutant: Mutant) -> bytes:
        kept, begun = self._kept(mutant), self._begun.get(mutant.name)
        if begun is None:
            assert kept is not None
            return kept.read_bytes()
        if kept is not None:
            kept.write_bytes(begun.result())
        return begun.result()


@pytest.fixture(scope="module")
def codes(request: pytest.FixtureRequest) -> Iterator[Codes]:
    """The code of the mutants of this run; compiling begins at once."""
    cache = getattr(request.config, "cache", None)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        codes = Codes(pool, cache.mkdir("mutants") if cache else None)
        for item in request.session.items:
            call = getattr(item, "callspec", None)
            if call and isinstance(mutant := call.params.get("mutant"), Mutant):
                codes.begin(mutant)
        yield codes


@pytest.fixture(scope="module")
def passed() -> set[str]:
    """Calls that the contracts as they are have passed."""
    return set()


@pytest.fixture(scope="module")
def killed(pytestconfig: pytest.Config) -> Iterator[Counter[str]]:
    """Who was caught; told at the end of the run."""
    counts: Counter[str] = Counter()
    yield counts
    told = ", ".join(f"{file} {count}" for file, count in sorted(counts.items()))
    line = f"mutants caught: {counts.total()} of {len(CHOSEN)} tried, {len(ALL)} in all ({told})"
    pytestconfig.stash.setdefault(SUMMARY, []).append(line)


def arguments(module: Any, function: Any, world: World, given: dict[str, Any], stack: ExitStack) -> dict[str, Any]:
    """What a test asks for: a world, its parameters, and the fixtures of its own module made on that world."""
    made: dict[str, Any] = {}
    for name in inspect.signature(function).parameters:
        if name in given:
            made[name] = given[name]
        elif name == "world" or name in ON_PYEVM:
            made[name] = world
        else:
            fixture = getattr(module, name)._get_wrapped_function()  # pytest has no other way to it
            values = arguments(module, fixture, world, given, stack)
            if inspect.isgeneratorfunction(fixture):
                made[name] = stack.enter_context(contextmanager(fixture)(**values))
            else:
                made[name] = fixture(**values)
    return made


def called(mutant: Mutant) -> tuple[Any, Any]:
    """The test's module and function."""
    place, name = mutant.test.split(".")
    module = importlib.import_module(f"tests.contracts.{place}")
    return module, getattr(module, name)


def objection(world: World, mutant: Mutant) -> str | None:
    """What the test finds wrong with this world; None: nothing."""
    module, function = called(mutant)
    try:
        with world.machine.anchored(), ExitStack() as stack:
            function(**arguments(module, function, world, mutant.given, stack))
    except (AssertionError, Reverted) as error:
        return repr(error)
    return None


def test_no_mutant_is_there_twice() -> None:
    assert len({mutant.name for mutant in ALL}) == len({mutated(mutant) for mutant in ALL}) == len(ALL)


@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_caught(
    mutant: Mutant, codes: Codes, passed: set[str], killed: Counter[str], chain: Anvil, py_evm: PyEvm
) -> None:
    _, function = called(mutant)
    machine: Machine = py_evm if ON_PYEVM & inspect.signature(function).parameters.keys() else chain
    # Worlds are not taken back, only what happens in them: each has addresses of its own, so no transaction of one
    # is one of another.
    call = f"{mutant.test} {mutant.given}"
    if call not in passed:
        assert objection(World(machine), mutant) is None, "the contract as it is fails too"
        passed.add(call)
    world = World(machine)
    contract = machine.install(codes.of(mutant), artefact(mutant.file)["abi"])
    setattr(world, mutant.file.lower(), contract)
    assert objection(world, mutant) is not None, f"{mutant.test} does not notice"
    killed[mutant.file] += 1
