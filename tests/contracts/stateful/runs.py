"""Running a state machine on an EVM: so many lives of so many steps, and what succeeded in them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

STEPS = (25, 40)
"""Of each life, in the short form and in the full one."""

SUMMARY = pytest.StashKey[list[str]]()
"""Lines for the end of the test run, in pytest's configuration."""


def live(kind: type[RuleBasedStateMachine], lives: int, full: bool, **given: Any) -> Counter[str]:
    """Let it live; `given` are its class attributes. The short form is the same in every run."""
    done: Counter[str] = Counter()
    run_state_machine_as_test(
        type("Run", (kind,), {"done": done, **given}),
        settings=settings(
            max_examples=lives,
            stateful_step_count=STEPS[full],
            deadline=None,
            derandomize=not full,
            phases=[Phase.generate],  # a life that fails is told as it is: to shorten it takes minutes
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return done


def tell(config: pytest.Config, what: str, done: Counter[str]) -> None:
    """Put a run's counts into the summary."""
    counts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(done.items()) if kind != "steps")
    config.stash.setdefault(SUMMARY, []).append(f"{what}: {done['steps']:,} steps; {counts}")
