"""A model's folder: what it holds, what ends an answer, its template in a sandbox, its tokens as bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models

from tallystick_helper.engines.exl2.folder import read_folder
from tallystick_helper.engines.exl2.template import ChatTemplate
from tallystick_helper.engines.exl2.text import Text
from tallystick_shared.errors import Code, LocalError
from tests.helper.exl2_models import SPECIAL, TEMPLATE, write_clockwork

CHAT = (("user", "Hello."), ("assistant", "Hi."), ("user", "Go on."))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_clockwork(tmp_path / "model", layers=1)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_ends_an_answer_is_said_in_two_places(folder: Path) -> None:
    change(folder / "config.json", eos_token_id=7)
    change(folder / "generation_config.json", eos_token_id=[8, 9])
    assert read_folder(folder).ends == {7, 8, 9}
    (folder / "generation_config.json").unlink()
    assert read_folder(folder).ends == {7}


def test_a_prompt_has_the_special_tokens_as_ids(folder: Path) -> None:
    read = read_folder(folder)
    ids = read.prompt(CHAT)
    assert ids[0] == 256 and ids.count(257) == 3
    assert read.text.decode(ids) == "user\nHello.\nassistant\nHi.\nuser\nGo on.\nassistant\n"
    assert read.text.decode(read.prompt(CHAT, "Well")).endswith("assistant\nWell")


def test_the_template_may_stand_in_a_file_of_its_own_or_in_a_list(folder: Path) -> None:
    named = {"tools": "x", "default": "{{ bos_token }}list"}
    templates = [{"name": name, "template": source} for name, source in named.items()]
    change(folder / "tokenizer_config.json", chat_template=templates)
    found = read_folder(folder).template
    assert found is not None and found.render(CHAT) == f"{SPECIAL[2]}list"
    (folder / "chat_template.jinja").write_text("file")
    found = read_folder(folder).template
    assert found is not None and found.render(CHAT) == "file"


def test_every_file_that_decides_is_summed(folder: Path) -> None:
    sums = read_folder(folder).sums(None)
    assert set(sums) == {"config.json", "generation_config.json", "output.safetensors", "tokenizer.json",
                         "tokenizer_config.json"}  # fmt: skip
    assert all(len(total) == 64 for total in sums.values())


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", None),
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("tokenizer.json", None),
        ("tokenizer.json", b"{}"),
        ("output.safetensors", None),
        ("generation_config.json", b"\xff"),
    ],
)
def test_a_folder_that_is_no_model(folder: Path, file: str, content: bytes | None) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(LocalError) as caught:
        read_folder(folder)
    assert caught.value.code is Code.MODEL_MISSING
    assert caught.value.values["reason"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        read_folder(tmp_path / "nowhere")
    assert caught.value.code is Code.MODEL_MISSING


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{{ messages.append(1) }}",
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ 'a' * missing.size }}",
        "{% for i in range(10000000) %}{% endfor %}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(source: str) -> None:
    with pytest.raises(LocalError) as caught:
        ChatTemplate(source, {}).render(CHAT)
    assert caught.value.code is Code.BAD_REQUEST
    assert "alternate" not in str(caught.value.values)


def test_a_template_has_what_transformers_gives() -> None:
    source = "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m | tojson }}{% endfor %}"
    assert ChatTemplate(source, {}).render((("user", "<é>"), ("user", "b"))) == '{"role": "user", "content": "<é>"}'
    assert ChatTemplate("{{ strftime_now('%Y') | length }}", {}).render(CHAT) == "4"
    assert ChatTemplate(TEMPLATE, {}).render(CHAT[:1]) == (
        "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_is_no_jinja() -> None:
    with pytest.raises(LocalError) as caught:
        ChatTemplate("{% if %}", {})
    assert caught.value.code is Code.BAD_SETTINGS


def test_pieces_of_a_byte_level_vocabulary(folder: Path) -> None:
    text = Text(folder / "tokenizer.json")
    assert [text.piece(value) for value in range(256)] == [bytes([value]) for value in range(256)]
    assert [text.piece(token) for token in (-1, 256, 257, 10_000)] == [b""] * 4
    assert text.decode(text.encode("a🎉<|im_end|>b")) == "a🎉b"
    assert text.longest == 1


def test_pieces_of_a_sentence_piece_vocabulary(tmp_path: Path) -> None:
    vocabulary = {"<unk>": 0, "\u2581the": 1, "<0xF0>": 2, "e": 3}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    made.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.add_special_tokens([AddedToken("<s>", special=True)])
    made.add_tokens([AddedToken("<think>", special=False)])
    made.save(str(tmp_path / "tokenizer.json"))
    text = Text(tmp_path / "tokenizer.json")
    assert [text.piece(token) for token in (1, 2, 3, 4, 5)] == [b" the", b"\xf0", b"e", b"", b"<think>"]
