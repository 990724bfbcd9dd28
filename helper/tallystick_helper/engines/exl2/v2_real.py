"""exllamav2 itself. Importing it compiles a CUDA extension where no compiled one is found."""

from __future__ import annotations

from typing import Any

from .v2 import Library


def real() -> Library:
    """Raises what the import raises: ImportError, OSError, RuntimeError."""
    import torch
    from exllamav2 import (
        ExLlamaV2,
        ExLlamaV2Cache,
        ExLlamaV2Cache_Q4,
        ExLlamaV2Cache_Q6,
        ExLlamaV2Cache_Q8,
        ExLlamaV2Cache_TP,
        ExLlamaV2Config,
        ExLlamaV2Tokenizer,
        attn,
    )
    from exllamav2.generator import (
        ExLlamaV2DynamicGenerator,
        ExLlamaV2DynamicJob,
        ExLlamaV2MMEmbedding,
        ExLlamaV2Sampler,
    )

    def vectors(model: Any, token: int) -> Any:
        with torch.inference_mode():
            row = model.modules[0].forward(torch.tensor([[token]], dtype=torch.long))[0].clone()
        return ExLlamaV2MMEmbedding(model=model, embeddings=row)

    return Library(
        config=ExLlamaV2Config,
        model=ExLlamaV2,
        caches={"fp16": ExLlamaV2Cache, "q8": ExLlamaV2Cache_Q8, "q6": ExLlamaV2Cache_Q6, "q4": ExLlamaV2Cache_Q4},
        cache_tp=ExLlamaV2Cache_TP,
        tokenizer=ExLlamaV2Tokenizer,
        generator=ExLlamaV2DynamicGenerator,
        job=ExLlamaV2DynamicJob,
        settings=ExLlamaV2Sampler.Settings,
        vectors=vectors,
        tensor=lambda ids: torch.tensor([ids], dtype=torch.long),
        paged=lambda: bool(attn.has_flash_attn_with_paged),
        free=torch.cuda.empty_cache,
    )
