"""Small EXL2 models for tests, written as real folders: quantised, with a tokenizer and a chat template.

The clockwork is a Llama whose weights make each token follow one other, so that tests know what it says: the alphabet,
then a character of four tokens, and from the beginning again. Its attention and its feed-forward are random and small.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from tallystick_helper.engines.exl2.convert import EVEN, Mix, write_folder, write_plain
from tallystick_helper.engines.exl2.tensors import Floats
from tallystick_helper.engines.exl2.text import byte_characters

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
END = 257  # <|im_end|>
ROUND = "abcdefghijklmnopqrstuvwxyz🎉"
"""What the clockwork says over and over: 30 tokens of a byte each."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH = 384
"""A multiple of 128, as EXL3 wants it; so are all other sizes."""


class Clockwork:
    """The weights. `spoken` is what is said in a circle, entered after a line break; `ends` puts the end token behind
    it instead.
    """

    def __init__(self, spoken: str = ROUND, ends: bool = False, layers: int = 2) -> None:
        data = spoken.encode()
        assert len(set(data)) == len(data), "each token has one follower"
        rng = np.random.default_rng(7)
        embedding = np.eye(WIDTH, dtype=np.float32) * 4
        follow = {ord("\n"): data[0], **dict(pairwise(data)), data[-1]: END if ends else data[0]}
        head = np.zeros((WIDTH, WIDTH), np.float32)
        head[:, data[0]] = 0.5  # after anything else it begins
        for token, following in follow.items():
            head[token, following] = 4
        self._tensors = {"model.embed_tokens.weight": embedding, "model.norm.weight": np.ones(WIDTH, np.float32)}
        self._linear = {"lm_head": head}
        for index in range(layers):
            at = f"model.layers.{index}."
            for name in ("input_layernorm", "post_attention_layernorm"):
                self._tensors[f"{at}{name}.weight"] = np.ones(WIDTH, np.float32)
            for name, (inner, outer) in {
                "self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH, WIDTH // 3),
                "self_attn.v_proj": (WIDTH, WIDTH // 3), "self_attn.o_proj": (WIDTH, WIDTH),
                "mlp.gate_proj": (WIDTH, WIDTH), "mlp.up_proj": (WIDTH, WIDTH), "mlp.down_proj": (WIDTH, WIDTH),
            }.items():  # fmt: skip
                self._linear[at + name] = rng.standard_normal((inner, outer)).astype(np.float32) * np.float32(0.01)
        self.config = clockwork_config(layers)

    def has(self, key: str) -> bool:
        return key in self._tensors or key in self._linear

    def plain(self, key: str) -> Floats:
        return self._tensors[key]

    def linear(self, key: str) -> Floats:
        return self._linear[key]


def clockwork_config(layers: int = 2) -> dict[str, Any]:
    """Its `config.json`."""
    return {
        "architectures": ["LlamaForCausalLM"], "bos_token_id": 258, "eos_token_id": [END, 258], "head_dim": 64,
        "hidden_act": "silu", "hidden_size": WIDTH, "intermediate_size": WIDTH, "max_position_embeddings": 8192,
        "model_type": "llama", "num_attention_heads": 6,
        "num_hidden_layers": layers, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "torch_dtype": "float16", "vocab_size": WIDTH,
    }  # fmt: skip


def byte_tokenizer() -> Tokenizer:
    """One token a byte, then the special ones."""
    vocabulary = dict(byte_characters())
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return made


def write_clockwork(target: Path, mix: Mix | None = EVEN, head: int = 8, **shape: Any) -> Path:
    """A whole folder; plain fp16 where `mix` is None. Returns it."""
    model = Clockwork(**shape)
    if mix is None:
        write_plain(target, model.config, model)
    else:
        write_folder(target, model.config, model, mix, head)
    byte_tokenizer().save(str(target / "tokenizer.json"))
    names = {"bos_token": SPECIAL[2], "eos_token": SPECIAL[1], "pad_token": SPECIAL[2]}
    (target / "tokenizer_config.json").write_text(json.dumps({**names, "chat_template": TEMPLATE}))
    return target
