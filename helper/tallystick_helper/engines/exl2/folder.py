"""A model's folder in the layout of Hugging Face: configuration, tokenizer, chat template, and which files there are.

Tensors are read elsewhere: a GPU library reads them itself, `tensors` reads them for the reference.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick_shared.errors import Code, LocalError

from .. import weights
from .template import ChatTemplate
from .text import Text

_TEXT_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
_NAMED_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


@dataclass(frozen=True, slots=True)
class Folder:
    """A model's folder, read. `ends` are the ids that end an answer: the configuration's and the generation's."""

    path: Path
    config: dict[str, Any]
    generation: dict[str, Any]
    text: Text
    template: ChatTemplate | None
    ends: frozenset[int]

    @property
    def format(self) -> str:
        """What the weights are quantised as, such as `exl2`; empty where they are not."""
        return str((self.config.get("quantization_config") or {}).get("quant_method") or "")

    @property
    def longest(self) -> int:
        """The longest context, in tokens, that the model was made for; 0 where it does not say."""
        return int(text_config(self.config).get("max_position_embeddings") or 0)

    def files(self) -> list[Path]:
        """Every file that decides what the model says, by name."""
        found = [self.path / name for name in _TEXT_FILES if (self.path / name).is_file()]
        return sorted([*found, *self.path.glob("*.safetensors")])

    def prompt(self, messages: Sequence[tuple[str, str]], begun: str = "") -> list[int]:
        """The ids of a conversation after the model's template, and of what the answer begins with. Raises LocalError
        BAD_REQUEST.
        """
        if self.template is None:
            raise LocalError(Code.BAD_REQUEST, reason="this model has no chat template")
        return self.text.encode(self.template.render(messages) + begun)

    def sums(self, data_dir: Path | None) -> dict[str, str]:
        """The sha256 (hex) of each file, by name."""
        return {path.name: weights.file_sum(path, data_dir) for path in self.files()}


def read_folder(path: Path) -> Folder:
    """Raises LocalError MODEL_MISSING where something that every model needs is missing or cannot be read."""
    if not path.is_dir():
        raise LocalError(Code.MODEL_MISSING, path=str(path), reason="there is no such folder")
    if not any(path.glob("*.safetensors")):
        raise LocalError(Code.MODEL_MISSING, path=str(path), reason="the folder holds no .safetensors file")
    config = _read_json(path / "config.json", needed=True)
    generation = _read_json(path / "generation_config.json")
    return Folder(
        path=path,
        config=config,
        generation=generation,
        text=Text(path / "tokenizer.json"),
        template=read_template(path),
        ends=_ends(text_config(config)) | _ends(config) | _ends(generation),
    )


def read_template(path: Path) -> ChatTemplate | None:
    """The chat template of a folder, where it has one. Raises LocalError."""
    return template_of(_read_json(path / "tokenizer_config.json"), path)


def template_of(tokenizer: dict[str, Any], path: Path) -> ChatTemplate | None:
    """The chat template that `tokenizer_config.json` holds, or a file beside it. Raises LocalError BAD_SETTINGS."""
    source = _template_source(path, tokenizer)
    return ChatTemplate(source, _token_names(tokenizer)) if source is not None else None


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part that describes the language model; in models of several modalities it is one of several."""
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def _ends(config: dict[str, Any]) -> frozenset[int]:
    found = config.get("eos_token_id")
    return frozenset(int(token) for token in (found if isinstance(found, list) else [found]) if token is not None)


def _token_names(tokenizer: dict[str, Any]) -> dict[str, str]:
    names: dict[str, str] = {}
    for key in _NAMED_TOKENS:
        entry = tokenizer.get(key)
        names[key] = str(entry.get("content", "") if isinstance(entry, dict) else entry or "")
    return names


def _template_source(path: Path, tokenizer: dict[str, Any]) -> str | None:
    file = path / "chat_template.jinja"
    if file.is_file():
        return _read_text(file)
    found = tokenizer.get("chat_template")
    if isinstance(found, list):
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _read_json(path: Path, needed: bool = False) -> dict[str, Any]:
    if not needed and not path.is_file():
        return {}
    try:
        found = json.loads(_read_text(path))
    except ValueError as error:
        raise LocalError(Code.MODEL_MISSING, path=str(path), reason="not valid JSON") from error
    if not isinstance(found, dict):
        raise LocalError(Code.MODEL_MISSING, path=str(path), reason="not a JSON object")
    return found


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(Code.MODEL_MISSING, path=str(path), reason=str(error)[:200]) from error
