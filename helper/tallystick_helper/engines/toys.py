"""Toy models of other kinds than text: vectors, sound and images, by arithmetic in place of weights.

Real engines in every respect but thought, like the loopback engine: they prove that the transport carries any service,
and give tests something to be paid for. They are never the default, and their label says what they are.

- `vectors`: a text's vector is made of the hashes of its words, so that texts with common words lie near each other.
- `audio`: speech says each byte as two tones, and transcription hears them again.
- `images`: a PNG whose pixels follow from the prompt.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from tallystick_shared.errors import Code, LocalError, PeerError

from . import weights
from .seat import Capabilities, Piece, Reason, Run, Task
from .slotted import Slotted
from .toy_audio import Tones
from .toy_images import Pictures
from .toy_vectors import WordHashes


class Toy(Protocol):
    """What is particular to one kind."""

    kind: str
    services: tuple[str, ...]
    unit: str
    bytes_per_unit: int

    def count(self, task: Task) -> int:
        """Units of the input. Raises PeerError BAD_MESSAGE."""

    def pieces(self, task: Task) -> Generator[Callable[[], Piece], None, Reason]:
        """The answer: what makes its pieces, of one unit each, at most `max_units`; and why it ended. None is made
        before there is room for it.
        """


TOYS: dict[str, type[Toy]] = {"vectors": WordHashes, "audio": Tones, "images": Pictures}
_TEMPLATE_UNITS = 16
_CONTEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class ToyOptions:
    """`what` is one of `vectors`, `audio`, `images`; `pace` is seconds before each piece."""

    what: str = "vectors"
    pace: float = 0.0
    slots: int = 4
    queue: int = 16

    def __post_init__(self) -> None:
        if self.what not in TOYS or self.pace < 0:
            raise LocalError(Code.BAD_SETTINGS, engine="toy", what=self.what, known=list(TOYS))


class ToyEngine(Slotted):
    """Fills the engine seat."""

    def __init__(self, options: ToyOptions | None = None) -> None:
        self._options = options = options or ToyOptions()
        self._toy = toy = TOYS[options.what]()
        name = f"toy-{options.what}"
        manifest = weights.manifest_json("toy", name, {})
        capabilities = Capabilities(
            engine="toy",
            kind=toy.kind,
            services=toy.services,
            model=name,
            unit=toy.unit,
            context=_CONTEXT,
            bytes_per_unit=toy.bytes_per_unit,
            template_units=_TEMPLATE_UNITS,
            manifest=hashlib.sha256(manifest.encode()).digest(),
            manifest_json=manifest,
            label="toy engine, for tests",
        )
        super().__init__(capabilities, options.slots, options.queue)

    async def count(self, task: Task) -> int:
        units = self._count(task)
        self._check_open()
        return units

    def run(self, task: Task) -> Run:
        self._count(task)
        return self._start(task, lambda run, slot: self._work(run, task))

    def _count(self, task: Task) -> int:
        if task.service not in self._toy.services:
            raise LocalError(Code.UNKNOWN_SERVICE, service=task.service[:32])
        if task.max_units < 1:
            raise LocalError(Code.BAD_REQUEST, reason="max_units is below 1")
        try:
            units = self._toy.count(task)
        except PeerError as error:
            raise LocalError(Code.BAD_REQUEST, **error.values) from None
        if units >= _CONTEXT:
            raise LocalError(Code.PROMPT_TOO_LONG, units=units, limit=_CONTEXT - 1)
        return units

    async def _work(self, run: Run, task: Task) -> Reason:
        pieces = self._toy.pieces(task)
        while True:
            with run.interruptible():
                await asyncio.sleep(self._options.pace)
            try:
                make = next(pieces)
            except StopIteration as end:
                reason: Reason = end.value
                return reason
            await run.room()
            run.emit(make())
