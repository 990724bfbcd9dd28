"""A small GGUF file, written here with its queries and keys interleaved as llama.cpp wants them, and the EXL2 folder
that is made of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from tallystick_helper.engines.exl2.audit import score
from tallystick_helper.engines.exl2.convert import EVEN, MIXED, convert, convert_plain, packed_layer
from tallystick_helper.engines.exl2.folder import read_folder
from tallystick_helper.engines.exl2.gguf_model import GgufModel
from tallystick_helper.engines.exl2.llama import Llama, Span
from tallystick_helper.engines.exl2.template import ChatTemplate
from tallystick_helper.engines.exl2.tensors import Floats, FolderTensors
from tallystick_helper.engines.exl2.text import Text, byte_characters
from tallystick_helper.engines.llama import GgufOptions, LlamaServer
from tallystick_shared.errors import Code, LocalError
from tests.helper.exl2_models import SPECIAL, TEMPLATE, WIDTH, Clockwork
from tests.helper.greedy import greedy

IDS = [256, 10, 97, 98, 99]
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip


class Loud(Clockwork):
    """The clockwork with an attention that is heard, so that a mistake in its order shows."""

    def linear(self, key: str) -> Floats:
        return super().linear(key) * np.float32(8 if "self_attn" in key else 1)


def interleaved(rows: Floats, heads: int) -> Floats:
    """Rows (heads * head, inputs) with the halves of each head interleaved: llama.cpp's `permute`."""
    return rows.reshape(heads, 2, len(rows) // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def write_gguf(path: Path, tied: bool = False, **fields: Any) -> Loud:
    model = Loud(layers=1)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(1024)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(6)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model(fields.get("tokenizer", "gpt2"))
    writer.add_tokenizer_pre(fields.get("split", "smollm"))
    tokens = [*sorted(byte_characters(), key=byte_characters().__getitem__), *SPECIAL, "XY", "XYZ"]
    tokens += [f"<unused{index}>" for index in range(WIDTH - len(tokens))]
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 256 + [3] * 3 + [1] * 2 + [4] * (WIDTH - 261))
    writer.add_token_merges(["X Y", "XY Z"])
    writer.add_bos_token_id(258)
    writer.add_eos_token_id(257)
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("token_embd.weight", model.plain("model.embed_tokens.weight"))
    writer.add_tensor("output_norm.weight", model.plain("model.norm.weight"))
    if not tied:
        writer.add_tensor("output.weight", np.ascontiguousarray(model.linear("lm_head").T))
    for name, ours in (("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")):
        writer.add_tensor(f"blk.0.{name}.weight", model.plain(f"model.layers.0.{ours}.weight"))
    for ours, name in NAMES.items():
        rows = np.ascontiguousarray(model.linear(f"model.layers.0.{ours}").T)
        if name in ("attn_q", "attn_k"):
            rows = np.ascontiguousarray(interleaved(rows, 6 if name == "attn_q" else 2))
        if fields.get("quantised") and name.startswith("ffn"):
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"blk.0.{name}.weight", gguf.quants.quantize(rows, kind), raw_dtype=kind)
        else:
            writer.add_tensor(f"blk.0.{name}.weight", rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def logits(model: Llama) -> Floats:
    return model.read([Span(IDS, model.memory(len(IDS)))], logits="all")


@pytest.mark.parametrize("quantised", [False, True])
def test_a_gguf_file_is_the_model_that_it_was_made_of(tmp_path: Path, quantised: bool) -> None:
    source = write_gguf(tmp_path / "model.gguf", quantised=quantised)
    read = GgufModel(tmp_path / "model.gguf")
    expected = logits(Llama(source.config, source))
    assert np.abs(logits(Llama(read.config(), read)) - expected).max() < (0.05 if quantised else 1e-3)


def test_llama_cpp_says_the_same_of_the_file(tmp_path: Path) -> None:
    """Greedily, with log-probabilities: the order in which it turns queries and keys is ours."""
    write_gguf(tmp_path / "model.gguf")
    read = GgufModel(tmp_path / "model.gguf")
    server = LlamaServer(tmp_path / "model.gguf", "tiny", GgufOptions(context=256, slots=1, threads=1))
    tokens, logprobs = greedy(server, "The quick brown fox?", 12)
    server.close()
    read.tokenizer().save(str(tmp_path / "tokenizer.json"))
    prompt = Text(tmp_path / "tokenizer.json").encode(
        ChatTemplate(TEMPLATE, {}).render([("user", "The quick brown fox?")])
    )
    found = score(Llama(read.config(), read), prompt, tokens)
    assert found.agreement == 1.0
    assert np.abs(found.logprobs - logprobs).max() < 0.02


def test_without_an_output_layer_the_embeddings_serve(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf", tied=True)
    read = GgufModel(tmp_path / "model.gguf")
    assert logits(Llama(read.config(), read)).shape == (5, WIDTH)
    convert(tmp_path / "model.gguf", tmp_path / "exl2")
    assert FolderTensors(tmp_path / "exl2").packed("lm_head") is not None


def test_eight_bits_stay_close_and_fewer_less_so(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "model.gguf")
    expected = logits(Llama(source.config, source))
    apart = []
    for name, mix in (("even", EVEN), ("mixed", MIXED)):
        convert(tmp_path / "model.gguf", tmp_path / name, mix)
        model = Llama(read_folder(tmp_path / name).config, FolderTensors(tmp_path / name))
        apart.append(float(np.abs(logits(model) - expected).mean()))
    assert apart[0] < 0.1 * float(expected.std()) and apart[0] < apart[1]


def test_a_plain_folder_loses_only_what_halves_lose(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "model.gguf")
    convert_plain(tmp_path / "model.gguf", tmp_path / "plain")
    model = Llama(read_folder(tmp_path / "plain").config, FolderTensors(tmp_path / "plain"))
    assert np.abs(logits(model) - logits(Llama(source.config, source))).max() < 0.05


def test_the_same_file_gives_the_same_folder(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    for name in ("one", "two"):
        convert(tmp_path / "model.gguf", tmp_path / name, MIXED)
    assert read_folder(tmp_path / "one").sums(None) == read_folder(tmp_path / "two").sums(None)


def test_the_folder_says_what_it_is(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    convert(tmp_path / "model.gguf", tmp_path / "exl2", MIXED, head=6)
    read = read_folder(tmp_path / "exl2")
    assert read.format == "exl2" and read.ends == {257} and read.longest == 1024
    assert read.config["quantization_config"] == {
        "quant_method": "exl2",
        "version": "0.3.2",
        "bits": 4.8,
        "head_bits": 6,
    }
    tensors = FolderTensors(tmp_path / "exl2")
    packed = tensors.packed("model.layers.0.mlp.down_proj")
    assert packed is not None and packed.q_groups.tolist()[0::2] == [8, 5, 5, 4, 4, 4, 4]
    assert read.text.encode("aXYZ") == [97, 260]
    assert read.text.decode(read.prompt([("user", "XYZ 12")])) == "user\nXYZ 12\nassistant\n"


def test_outputs_are_padded_to_whole_words() -> None:
    packed = packed_layer(np.ones((32, 50), np.float32), EVEN)
    assert packed.q_weight.shape == (8, 64)


@pytest.mark.parametrize(("content", "code"), [(b"", Code.MODEL_MISSING), (b"GGUF" + bytes(60), Code.MODEL_MISSING)])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes, code: Code) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(LocalError) as caught:
        GgufModel(path)
    assert caught.value.code is code


@pytest.mark.parametrize("fields", [{"tokenizer": "llama"}, {"split": "an-unknown-one"}])
def test_a_tokenizer_that_it_cannot_write(tmp_path: Path, fields: dict[str, Any]) -> None:
    write_gguf(tmp_path / "model.gguf", **fields)
    with pytest.raises(LocalError) as caught:
        convert(tmp_path / "model.gguf", tmp_path / "exl2")
    assert caught.value.code is Code.BAD_SETTINGS


def test_a_broken_layer_is_named(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    convert(tmp_path / "model.gguf", tmp_path / "exl2")
    tensors = FolderTensors(tmp_path / "exl2")
    with pytest.raises(LocalError) as caught:
        tensors.linear("model.layers.7.mlp.down_proj")
    assert caught.value.values["tensor"] == "model.layers.7.mlp.down_proj.weight"
    config = json.loads((tmp_path / "exl2" / "config.json").read_text())
    assert config["tie_word_embeddings"] is False
