"""A GGUF Llama through the `gguf` package: its tensors by Hugging Face's names, its configuration, its tokenizer.

llama.cpp pairs neighbouring dimensions when it turns queries and keys, so GGUF files hold those rows interleaved;
reading them puts the halves in order again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from tallystick_shared.errors import Code, LocalError

Floats = npt.NDArray[np.float32]
_CONTROL, _USER_DEFINED = 3, 4  # GGUF's token types
_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head": "output",
}
_LAYER_NAMES = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class GgufModel:
    """A file, opened. Raises LocalError MODEL_MISSING for what is no GGUF, BAD_SETTINGS for another architecture."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._reader = gguf.GGUFReader(path)
        except (OSError, ValueError, IndexError) as error:
            raise LocalError(Code.MODEL_MISSING, path=str(path), reason=str(error)[:200]) from error
        if (found := self.field("general.architecture")) != "llama":
            raise LocalError(Code.BAD_SETTINGS, architecture=str(found)[:64], known=["llama"])
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}

    def field(self, name: str, otherwise: Any = None) -> Any:
        """A value of the file's head."""
        found = self._reader.fields.get(name)
        return otherwise if found is None else found.contents()

    def has(self, key: str) -> bool:
        return f"{_file_name(key)}.weight" in self._tensors or _file_name(key) in self._tensors

    def plain(self, key: str) -> Floats:
        name = _file_name(key)
        if name not in self._tensors:
            raise LocalError(Code.MODEL_MISSING, path=str(self._path), tensor=name)
        tensor = self._tensors[name]
        try:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            raise LocalError(Code.BAD_SETTINGS, path=str(self._path), tensor=name, reason=str(error)) from error
        floats: Floats = np.asarray(values, np.float32)
        return floats

    def linear(self, key: str) -> Floats:
        rows = self.plain(f"{key}.weight")
        if key.endswith(("q_proj", "k_proj")):
            heads = self._head_count("head_count" if key.endswith("q_proj") else "head_count_kv")
            halves = rows.reshape(heads, rows.shape[0] // heads // 2, 2, rows.shape[1])
            rows = halves.swapaxes(1, 2).reshape(rows.shape)
        return np.ascontiguousarray(rows.T)

    def _head_count(self, name: str) -> int:
        return int(self.field(f"llama.attention.{name}", self.field("llama.attention.head_count")))

    def config(self) -> dict[str, Any]:
        """`config.json` of the same model."""
        width, heads = int(self.field("llama.embedding_length")), self._head_count("head_count")
        vocabulary = self._tensors["token_embd.weight"].data.shape[0]
        return {
            "architectures": ["LlamaForCausalLM"],
            "bos_token_id": self.field("tokenizer.ggml.bos_token_id"),
            "eos_token_id": self.field("tokenizer.ggml.eos_token_id"),
            "head_dim": int(self.field("llama.rope.dimension_count", width // heads)),
            "hidden_act": "silu",
            "hidden_size": width,
            "intermediate_size": int(self.field("llama.feed_forward_length")),
            "max_position_embeddings": int(self.field("llama.context_length")),
            "model_type": "llama",
            "num_attention_heads": heads,
            "num_hidden_layers": int(self.field("llama.block_count")),
            "num_key_value_heads": self._head_count("head_count_kv"),
            "rms_norm_eps": round(float(self.field("llama.attention.layer_norm_rms_epsilon")), 12),
            "rope_scaling": None,
            "rope_theta": float(self.field("llama.rope.freq_base", 10_000.0)),
            "tie_word_embeddings": False,
            "torch_dtype": "float16",
            "vocab_size": int(vocabulary),
        }

    def tokenizer(self) -> Tokenizer:
        """The same tokenizer. Raises LocalError BAD_SETTINGS for one that is no byte-level BPE."""
        kind, split = self.field("tokenizer.ggml.model"), str(self.field("tokenizer.ggml.pre", "default"))
        before = _splitters(split)
        if kind != "gpt2" or before is None:
            raise LocalError(Code.BAD_SETTINGS, tokenizer=f"{kind} {split}"[:64], known=["gpt2"])
        tokens: list[str] = self.field("tokenizer.ggml.tokens")
        merges = [tuple(merge.split(" ", 1)) for merge in self.field("tokenizer.ggml.merges", None) or ()]
        made = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
        made.pre_tokenizer = pre_tokenizers.Sequence(before)
        made.decoder = decoders.ByteLevel()
        types = self.field("tokenizer.ggml.token_type")
        extra = [(token, kind) for token, kind in zip(tokens, types, strict=True) if kind in (_CONTROL, _USER_DEFINED)]
        made.add_special_tokens([_added(token, special=True) for token, kind in extra if kind == _CONTROL])
        made.add_tokens([_added(token, special=False) for token, kind in extra if kind == _USER_DEFINED])
        return made

    def tokenizer_config(self) -> dict[str, Any]:
        """`tokenizer_config.json`, with the chat template."""
        tokens: list[str] = self.field("tokenizer.ggml.tokens")
        named = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
        found = {key: self.field(f"tokenizer.ggml.{name}_token_id") for key, name in named.items()}
        return {
            "add_bos_token": bool(self.field("tokenizer.ggml.add_bos_token", False)),
            **{key: tokens[index] for key, index in found.items() if index is not None},
            "chat_template": self.field("tokenizer.chat_template"),
            "clean_up_tokenization_spaces": False,
            "model_max_length": int(self.field("llama.context_length")),
            "tokenizer_class": "PreTrainedTokenizerFast",
        }


def _added(token: str, special: bool) -> AddedToken:
    return AddedToken(token, special=special, normalized=False)


def _splitters(name: str) -> list[Any] | None:
    if name == "smollm":
        return [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if name in ("gpt-2", "default"):
        return [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if name == "llama-bpe":
        split = pre_tokenizers.Split(Regex(_LLAMA3_SPLIT), behavior="isolated")
        return [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    return None


def _file_name(key: str) -> str:
    """GGUF's name of a tensor or layer of Hugging Face's."""
    for suffix in ("", ".weight"):
        base = key.removesuffix(suffix) if suffix else key
        if base in _NAMES:
            return _NAMES[base] + (suffix if base != key else "")
    *_, index, rest = key.split(".", 3)
    weight = rest.endswith("_proj.weight")
    return f"blk.{index}.{_LAYER_NAMES[rest.removesuffix('.weight') if weight else rest]}{'.weight' if weight else ''}"


def json_text(value: Any) -> str:
    """The same text for the same value, always."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
