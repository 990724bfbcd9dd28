"""exllamav2's own model class, with its layers computed in numpy: all that CUDA does, and nothing else.

Configuration, embedding module, cache and its pages, generator, jobs, sampler settings and tokenizer are exllamav2's;
what is replaced is `forward_chunk` from the embeddings on, and where the weights are put.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from exllamav2 import ExLlamaV2

from tallystick_helper.engines.exl2.folder import read_folder
from tallystick_helper.engines.exl2.llama import FIRST_VECTOR, Llama, Memory, Span, Vectors
from tallystick_helper.engines.exl2.tensors import FolderTensors


class CpuModel(ExLlamaV2):
    """Stands where `ExLlamaV2` does."""

    def load(self, gpu_split: list[float] | None = None, **_: Any) -> None:
        path = Path(self.config.model_dir)
        self.numpy = Llama(read_folder(path).config, FolderTensors(path))
        self.modules[0].set_device_idx(-1)
        self.modules[0].load()
        self.cache_map = dict.fromkeys(range(self.config.num_hidden_layers), "cpu")

    def load_autosplit(self, cache: Any, reserve_vram: int | None = None, **_: Any) -> None:
        self.load()
        cache.touch_device = lambda device: None
        cache.update_cache_tensors()

    def unload(self) -> None:
        self.modules[0].unload()
        self.numpy = None

    def forward_chunk(
        self, input_ids: torch.Tensor, cache: Any = None, preprocess_only: bool = False, attn_params: Any = None,
        **values: Any,
    ) -> dict[str, torch.Tensor]:  # fmt: skip
        rows = self.modules[0].forward(input_ids, attn_params=attn_params, **values).float().numpy()
        memories = [self._gather(cache, attn_params, row, input_ids.shape[1]) for row in range(len(rows))]
        length, spans = input_ids.shape[1], []
        for row, memory in zip(rows, memories, strict=True):
            vectors = Vectors(FIRST_VECTOR, np.ascontiguousarray(row))
            spans.append(Span(range(FIRST_VECTOR, FIRST_VECTOR + length), memory, [vectors]))
        logits = self.numpy.read(spans, logits="none" if preprocess_only else "all")
        for row, memory in enumerate(memories):
            self._scatter(cache, attn_params, row, memory, length)
        return {"logits": torch.from_numpy(logits.reshape(len(rows), -1, logits.shape[1]))}

    def _places(self, params: Any, row: int, length: int) -> torch.Tensor:
        """Where each position of a sequence lies in the cache."""
        pages = params.block_index[row].long()
        positions = torch.arange(length)
        return pages[positions // params.page_size] * params.page_size + positions % params.page_size

    def _gather(self, cache: Any, params: Any, row: int, length: int) -> Memory:
        past = int(params.cache_seqlens[row])
        memory = self.numpy.memory(past + length)
        places = self._places(params, row, past)
        for layer in range(self.config.num_hidden_layers):
            for target, source in ((memory.keys, cache.key_states), (memory.values, cache.value_states)):
                target[layer, :, :past] = source[layer][0, places].float().numpy().transpose(1, 0, 2)
        memory.length = past
        return memory

    def _scatter(self, cache: Any, params: Any, row: int, memory: Memory, length: int) -> None:
        places = self._places(params, row, memory.length)[-length:]
        for layer in range(self.config.num_hidden_layers):
            for source, target in ((memory.keys, cache.key_states), (memory.values, cache.value_states)):
                new = source[layer, :, memory.length - length : memory.length].transpose(1, 0, 2)
                target[layer][0, places] = torch.from_numpy(np.ascontiguousarray(new)).half()
