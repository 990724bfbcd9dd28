"""What the adapter asks of a library: a generator, and jobs for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Generator(Protocol):
    """What exllamav2 and exllamav3 have in common. Called by one thread."""

    def enqueue(self, job: Any) -> Any:
        """Queue a job. Raises where it can never run."""

    def iterate(self) -> list[Any]:
        """One step for every job: result dictionaries."""

    def cancel(self, job: Any) -> None:
        """End a job at once."""

    def num_remaining_jobs(self) -> int:
        """Jobs that run or wait."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a job is made of. `ends` are token ids and `stops` strings that end the answer; neither is handed out.

    `likelihoods` is how many other tokens to tell beside each one; None tells no log-probabilities. `scope` is whose
    cache it may share; empty is nobody's.

    Where an earlier job made the beginning of the answer, `ids` end with it: `drawn` tokens, whose text is `begun`.
    What the answer keeps to and what its seed draws go on from there.
    """

    ids: tuple[int, ...]
    max_tokens: int
    ends: frozenset[int] = frozenset()
    stops: tuple[str, ...] = ()
    temperature: float = 0.8
    top_p: float = 0.9
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    json_schema: Mapping[str, Any] | None = None
    likelihoods: int | None = None
    scope: bytes = b""
    drawn: int = 0
    begun: str = ""


class Backend(Protocol):
    """A library with a model. All methods are called by the pump's thread, except that what is constant may be read by
    anybody once `load` has returned.
    """

    slots: int
    """Jobs that it can really run at once."""
    json_schema: bool
    """Answers can be made to fit a JSON schema."""

    def load(self) -> None:
        """Load the weights. Raises LocalError."""

    def build(self) -> Generator:
        """A new generator and a new cache, in place of the last ones."""

    def job(self, request: Request) -> Any:
        """A job for the generator. Raises for a request that the library does not take."""

    def unload(self) -> None:
        """Free all memory. May be called at any time, and twice."""
