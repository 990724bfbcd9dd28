"""exllamav3 itself. Importing it compiles a CUDA extension where no compiled one is found."""

from __future__ import annotations

from typing import Any

from .v3 import Library


def real() -> Library:
    """Raises what the import raises: ImportError, OSError, RuntimeError."""
    import torch
    from exllamav3 import (
        Cache,
        CacheLayer_quant,
        ComboSampler,
        Config,
        Generator,
        Job,
        LLGuidanceFilter,
        MMEmbedding,
        Model,
        Tokenizer,
    )

    def vectors(embedder: Any, token: int) -> Any:
        with torch.inference_mode():
            row = embedder.forward(torch.tensor([[token]], dtype=torch.long), {})[0].clone()
        return MMEmbedding(embeddings=row, token_string=torch.tensor([[-1]], dtype=torch.long))

    return Library(
        config=Config,
        model=Model,
        cache=Cache,
        cache_quant=CacheLayer_quant,
        tokenizer=Tokenizer,
        generator=Generator,
        job=Job,
        sampler=ComboSampler,
        json_filter=LLGuidanceFilter,
        draw=lambda rng: rng.randint(0, (1 << 32) - 1),
        vectors=vectors,
        tensor=lambda ids: torch.tensor([ids], dtype=torch.long),
        cpu=torch.device("cpu"),
        free=torch.cuda.empty_cache,
    )
