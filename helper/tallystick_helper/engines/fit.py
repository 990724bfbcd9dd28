"""Does a model fit into memory? Said before it is loaded, from its header alone.

Weights are the files' bytes. The cache of keys and values is context × slots × what each layer keeps of a token, in
16 bit; models whose layers see only a window, or keep a state, need less, so the estimate errs upwards. On top
comes room to compute in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import psutil

from .gguf_file import GgufModel
from .llama import GgufOptions, batch_size

_KV_BYTES = 2
_COMPUTE = 96 << 20
_RESERVE = 0.1
"""Of the whole memory: below that the machine begins to swap, so a model that leaves less is amber."""


class Fits(StrEnum):
    """Well; only just; not at all."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Fit:
    """Bytes: what the model needs, by what for, and what is free."""

    weights: int
    cache: int
    compute: int
    free: int
    total: int

    @property
    def needs(self) -> int:
        return self.weights + self.cache + self.compute

    @property
    def fits(self) -> Fits:
        if self.needs > self.free:
            return Fits.RED
        return Fits.GREEN if self.free - self.needs >= self.total * _RESERVE else Fits.AMBER

    def says(self) -> str:
        """One sentence for people."""
        size, free = f"{self.needs / 2**30:.1f} GiB", f"{self.free / 2**30:.1f} GiB"
        if self.fits is Fits.RED:
            return f"It needs {size}, and only {free} is free: take a smaller model, less context or fewer slots."
        return f"It needs {size} of the {free} that is free." + ("" if self.fits is Fits.GREEN else " That is tight.")


Memory = Callable[[], tuple[int, int]]
"""Free and total bytes."""


def system_memory() -> tuple[int, int]:
    """Of this machine, for processes that ask now. A container's own limit counts where there is one."""
    found = psutil.virtual_memory()
    return int(found.available), int(found.total)


def cache_bytes(model: GgufModel, tokens: int) -> int:
    """Of keys and values for so many tokens."""
    layers = int(model.of("block_count", 0))
    heads, width = model.of("attention.head_count", 1), int(model.of("embedding_length", 0))
    many = max(heads) if isinstance(heads, list) else int(heads)
    kept = model.of("attention.head_count_kv", heads)
    per_layer = list(kept) if isinstance(kept, list) else [int(kept)] * layers
    key = int(model.of("attention.key_length", width // max(many, 1)))
    value = int(model.of("attention.value_length", width // max(many, 1)))
    return sum(int(heads) for heads in per_layer) * (key + value) * _KV_BYTES * tokens


def estimate(model: GgufModel, options: GgufOptions, memory: Memory = system_memory) -> Fit:
    """What a model would need with these options, beside what is free now."""
    free, total = memory()
    vocabulary = int(model.of("vocab_size", 0)) or 128_000
    logits = 4 * vocabulary * max(batch_size(options), options.slots)
    return Fit(model.size, cache_bytes(model, options.context * options.slots), _COMPUTE + logits, free, total)
