"""Stands where exllamav2's compiled extension does, on a machine without CUDA.

The few functions that its generator, sampler and loader call on the CPU are here, in Python, each after its C++ source;
all others are there and do nothing. Import this before exllamav2.
"""

from __future__ import annotations

import importlib.machinery
import sys
from itertools import pairwise
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

from tallystick_helper.engines.exl2.sampling import Settings, draw, penalised, softmax

# exllamav2's loader waits for devices that are not there.
torch.cuda.synchronize = lambda *_: None


def count_match(first: torch.Tensor, second: torch.Tensor, most: int) -> int:
    """How many ids agree from the beginning (`ext_cache.cpp`)."""
    one, other = first[0, :most].tolist(), second[0, :most].tolist()
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def partial_strings_match(text: Any, offsets: Any, strings: Any) -> int:
    """Where a string stands in the text; -2 where one may begin at its end, -1 for neither (`cpp/generator.cpp`)."""
    found = bytes(text).decode("utf-32-le")
    bounds = np.frombuffer(bytes(offsets), np.int32).tolist()
    for begin, end in pairwise(bounds):
        sought = bytes(strings)[begin:end].decode("utf-32-le")
        for at in range(len(found)):
            rest = found[at : at + len(sought)]
            if sought.startswith(rest):
                return at if rest == sought else -2
    return -1


def apply_rep_penalty(
    sequence: torch.Tensor, penalty: float, span: int, decay: int, frequency: float, presence: float,
    logits: torch.Tensor,
) -> None:  # fmt: skip
    """In place (`cpp/sampling.cpp`); without decay."""
    settings = Settings(penalty, span, frequency, presence)
    logits[0, 0] = torch.from_numpy(penalised(logits[0, 0].numpy(), settings, sequence[0].tolist()))


def sample_basic(
    logits: torch.Tensor, temperature: float, top_k: int, top_p: float, top_a: float, min_p: float, tfs: float,
    typical: float, random: float, tokens: torch.Tensor, shares: torch.Tensor, top_shares: torch.Tensor,
    top_tokens: torch.Tensor, *_: Any,
) -> list[float]:  # fmt: skip
    """Draws into the tensors that it is given (`ext_sampling.cpp`)."""
    row = logits[0, 0].numpy()
    settings = Settings(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    tokens[0, 0], shares[0, 0] = draw(row, settings, random)
    if top_tokens.device.type != "meta":
        best = np.argsort(-row, kind="stable")[: top_tokens.shape[-1]]
        top_tokens[0, 0], top_shares[0, 0] = torch.from_numpy(best), torch.from_numpy(softmax(row)[best])
    return []


def stloader_read(file: str, offset: int, size: int, target: torch.Tensor) -> None:
    """A piece of a file into a tensor (`cpp/safetensors.cpp`)."""
    with open(file, "rb") as opened:  # noqa: PTH123 - as the library names it
        opened.seek(offset)
        data = bytearray(opened.read(size))
    target.copy_(torch.frombuffer(data, dtype=target.dtype).reshape(target.shape))


def cache_rotate(pages: torch.Tensor, order: torch.Tensor, buffer: torch.Tensor) -> None:
    """Pages in a circle: each takes what the next one in `order` holds (`cuda/cache.cu`)."""
    places = order.tolist()
    kept = pages[places[0]].clone()
    for place, source in pairwise(places):
        pages[place] = pages[source]
    pages[places[-1]] = kept


def install() -> None:
    """Put it where exllamav2 looks for its extension, and where its attention looks for flash-attn."""
    module = MagicMock()
    module.__spec__ = importlib.machinery.ModuleSpec("exllamav2_ext", None)
    for function in (count_match, partial_strings_match, apply_rep_penalty, sample_basic, stloader_read, cache_rotate):
        setattr(module, function.__name__, function)
    sys.modules["exllamav2_ext"] = module
    from exllamav2 import attn

    attn.has_flash_attn = attn.has_flash_attn_with_paged = True
