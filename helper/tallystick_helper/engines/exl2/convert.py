"""A GGUF Llama as an EXL2 folder: for tests, and for trying a GPU engine without a download.

Rounds to nearest, without the calibration by which exllamav2's own converter decides where bits matter; so a folder
made here is a valid one, and no example of what EXL2 can do. The same file and widths give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from . import codec
from .gguf_model import GgufModel, json_text
from .llama import Shape
from .tensors import Tensors

Floats = npt.NDArray[np.float32]
Mix = Sequence[tuple[int, float]]
EVEN: Mix = ((8, 1.0),)
"""Eight bits everywhere: as near to the source as the format comes."""
MIXED: Mix = ((8, 0.1), (5, 0.4), (4, 0.5))
GROUP = 64
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP = ("gate_proj", "up_proj", "down_proj")
_NORMS = ("input_layernorm", "post_attention_layernorm")


def convert(source: Path, target: Path, mix: Mix = EVEN, head: int = 8) -> None:
    """Write the folder `target` from a GGUF file. `mix` gives the widths of the layers, widest first, each with its
    share of a layer's inputs; `head` the width of the output layer.

    Raises LocalError MODEL_MISSING, BAD_SETTINGS.
    """
    model = GgufModel(source)
    write_folder(target, model.config(), model, mix, head)
    model.tokenizer().save(str(target / "tokenizer.json"))
    (target / "tokenizer_config.json").write_text(json_text(model.tokenizer_config()), encoding="utf-8")


def write_folder(target: Path, config: Mapping[str, Any], tensors: Tensors, mix: Mix, head: int) -> None:
    """`config.json`, `generation_config.json` and `output.safetensors` of an EXL2 model."""
    stored = _plain_tensors(config, tensors)
    for key in _linear_keys(config):
        stored.update(_layer(key, tensors.linear(key), mix))
    stored.update(_layer("lm_head", _head(tensors), ((head, 1.0),)))
    quantised = dict(config) | {"quantization_config": _quantisation(mix, head)}
    _write(target, "output.safetensors", stored, quantised)


def _linear_keys(config: Mapping[str, Any]) -> list[str]:
    layers = Shape.of(dict(config)).layers
    parts = [*(f"self_attn.{name}" for name in _ATTENTION), *(f"mlp.{name}" for name in _MLP)]
    return [f"model.layers.{index}.{part}" for index in range(layers) for part in parts]


def _plain_tensors(config: Mapping[str, Any], tensors: Tensors) -> dict[str, npt.NDArray[Any]]:
    layers = Shape.of(dict(config)).layers
    names = ["model.embed_tokens.weight", "model.norm.weight"]
    names += [f"model.layers.{index}.{name}.weight" for index in range(layers) for name in _NORMS]
    return {name: tensors.plain(name).astype(np.float16) for name in names}


def _write(target: Path, file: str, stored: dict[str, npt.NDArray[Any]], config: Mapping[str, Any]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    save_file(stored, target / file, metadata={"format": "pt"})
    untied = dict(config) | {"tie_word_embeddings": False}
    (target / "config.json").write_text(json_text(untied), encoding="utf-8")
    generation = {key: config.get(key) for key in ("bos_token_id", "eos_token_id")}
    (target / "generation_config.json").write_text(json_text(generation), encoding="utf-8")


def convert_plain(source: Path, target: Path) -> None:
    """The same folder with plain fp16 weights: what exllamav3's own converter makes EXL3 of."""
    model = GgufModel(source)
    write_plain(target, model.config(), model)
    model.tokenizer().save(str(target / "tokenizer.json"))
    (target / "tokenizer_config.json").write_text(json_text(model.tokenizer_config()), encoding="utf-8")


def write_plain(target: Path, config: Mapping[str, Any], tensors: Tensors) -> None:
    """`config.json`, `generation_config.json` and `model.safetensors` of a model in fp16."""
    stored = _plain_tensors(config, tensors)
    for key in _linear_keys(config):
        stored[f"{key}.weight"] = np.ascontiguousarray(tensors.linear(key).T.astype(np.float16))
    stored["lm_head.weight"] = np.ascontiguousarray(_head(tensors).T.astype(np.float16))
    _write(target, "model.safetensors", stored, config)


def packed_layer(weights: Floats, mix: Mix) -> codec.Packed:
    """Quantise (inputs, outputs); the inputs whose weights are largest come first, where the widths are larger."""
    outputs = -(-weights.shape[1] // codec.COLUMN_STEP) * codec.COLUMN_STEP
    padded = np.pad(weights, ((0, 0), (0, outputs - weights.shape[1])))
    order = np.argsort(-np.square(weights).sum(axis=1), kind="stable")
    return codec.quantise(padded, codec.plan(len(weights), _rows(len(weights), mix), GROUP), order)


def _layer(key: str, weights: Floats, mix: Mix) -> dict[str, npt.NDArray[Any]]:
    packed = packed_layer(weights, mix)
    return {
        f"{key}.q_weight": packed.q_weight,
        f"{key}.q_groups": packed.q_groups,
        f"{key}.q_scale": packed.q_scale,
        f"{key}.q_scale_max": packed.q_scale_max,
        f"{key}.q_invperm": packed.q_invperm,
    }


def _head(tensors: Tensors) -> Floats:
    if tensors.has("lm_head"):
        return tensors.linear("lm_head")
    return np.ascontiguousarray(tensors.plain("model.embed_tokens.weight").T)


def _rows(inputs: int, mix: Mix) -> list[tuple[int, int]]:
    """Rows of each width, in whole steps; what is left over goes to the last width."""
    rows = [(width, int(inputs * share) // 32 * 32) for width, share in mix[:-1]]
    rows.append((mix[-1][0], inputs - sum(count for _, count in rows)))
    return [(width, count) for width, count in rows if count]


def _quantisation(mix: Mix, head: int) -> dict[str, Any]:
    bits = sum(width * share for width, share in mix)
    return {"quant_method": "exl2", "version": "0.3.2", "bits": round(bits, 3), "head_bits": head}
