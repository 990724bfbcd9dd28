"""How an EXL2 or EXL3 model is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tallystick_shared.errors import Code, LocalError

PAGE = 256
CACHES = ("fp16", "q8", "q6", "q4")


@dataclass(frozen=True, slots=True)
class ExlOptions:
    """Sizes are in tokens and, except `slots` and `queue`, multiples of 256. None takes what the model's own
    `generation_config.json` says, or a usual value where it says nothing.
    """

    path: Path
    """The model's folder."""
    name: str = ""
    """The model's public name; empty takes the folder's."""
    context: int = 4096
    """Prompt and answer of one request together."""
    slots: int = 8
    """Requests at once. exllamav2 without flash-attn runs one at a time, whatever stands here."""
    queue: int = 32
    chunk: int = 512
    """How much of a prompt is read at a time: a smaller one hears a cancel sooner."""
    cache: str = "fp16"
    """Keys and values in memory: fp16, q8, q6 or q4."""
    cache_tokens: int = 0
    """The whole cache; 0 is enough for all slots at full context."""
    gpu_split: tuple[float, ...] = ()
    """Gigabytes on each GPU, in order; empty fills one after the other."""
    tensor_parallel: bool = False
    """Split every layer over the GPUs, instead of giving each some of the layers."""
    shared_cache: bool = False
    """Reuse a prompt's beginning over all channels. Whoever measures then learns what others asked: only where all
    requests are one person's.
    """
    threads: int = 0
    """Of the reference, on the CPU; 0 leaves it to numpy."""
    temperature: float | None = None
    top_p: float | None = None
    repeat_penalty: float | None = None
    ignore_eos: bool = False
    """For benches: answers never end before `max_units`."""

    def __post_init__(self) -> None:
        sizes = (self.context, self.chunk, self.cache_tokens)
        if (
            min(self.context, self.chunk) < PAGE
            or any(size % PAGE or size < 0 for size in sizes)
            or (self.cache_tokens and self.cache_tokens < self.context)
            or self.slots < 1
            or min(self.queue, self.threads) < 0
            or self.cache not in CACHES
            or any(size <= 0 for size in self.gpu_split)
        ):
            raise LocalError(
                Code.BAD_SETTINGS,
                context=self.context,
                chunk=self.chunk,
                cache=self.cache,
                cache_tokens=self.cache_tokens,
                slots=self.slots,
                step=PAGE,
                caches=list(CACHES),
            )

    def whole_cache(self, slots: int) -> int:
        """Tokens of the cache: one page more than each slot's context, for what is drawn ahead."""
        return self.cache_tokens or slots * (self.context + PAGE)
