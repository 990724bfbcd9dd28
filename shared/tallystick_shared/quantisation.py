"""What a model's name says of its weights: an offer carries no other word about them."""

from __future__ import annotations

import re

_NAMED = re.compile(
    r"(?<![a-z0-9])(i?q[1-8](?:_[a-z0-9]+)*|[1-8](?:\.\d+)?[-_ ]?bpw|[bf]f?p?16|fp8|fp4|nf4|int[48]|awq|gptq|mxfp4)"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
_SORTS = (
    ("int4", re.compile(r"i?q4.*|4(\.\d+)?bpw|int4|nf4|awq|gptq")),
    ("int8", re.compile(r"q8.*|8(\.\d+)?bpw|int8")),
    ("fp4", re.compile(r"fp4|mxfp4")),
    ("fp6", re.compile(r"i?q6.*|6(\.\d+)?bpw")),
    ("fp8", re.compile(r"fp8")),
    ("bf16", re.compile(r"bf16|bfp16")),
    ("fp16", re.compile(r"fp?16")),
)
SORTS = (*(name for name, _ in _SORTS), "fp32", "unknown")
"""OpenRouter's words."""


def quantisation(model: str) -> str:
    """Such as Q4_K_M or 4.0bpw; empty where the name says nothing."""
    found = _NAMED.findall(model)
    return str(found[-1]) if found else ""


def is_quantised(model: str, wanted: str) -> bool:
    """Is it what `wanted` says: the name's own word (`Q4_K_M`), its beginning (`Q4`), or OpenRouter's (`int4`,
    `unknown`)? Letter case does not count.
    """
    named, asked = quantisation(model).lower().replace("-", "").replace(" ", ""), wanted.lower()
    if not named:
        return asked == "unknown"
    sort = next((name for name, pattern in _SORTS if pattern.fullmatch(named)), "unknown")
    return asked in (named, sort) or named.startswith(f"{asked}_")
