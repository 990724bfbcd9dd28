"""A tokenizer of the node's own, to count units by: a folder in the layout of Hugging Face, its `tokenizer.json` alone,
or a GGUF file of a Llama. Needs the packages of the extra `ref`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick_shared.errors import Code, LocalError

from .. import weights
from ..chat import ChatTask, openai_messages

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ..exl2.template import ChatTemplate


class Tokens:
    """Counts as the model reads and writes. `files` are the names and sha256 of what it was read from."""

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate | None, files: dict[str, str]) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer, self._template, self.files = tokenizer, template, files

    @property
    def has_template(self) -> bool:
        """Without one conversations cannot be counted, only answers."""
        return self._template is not None

    def count(self, text: str) -> int:
        """Tokens of a text; none is added."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def prompt(self, messages: Sequence[dict[str, Any]], tools: Sequence[Any] = ()) -> int:
        """Tokens of a conversation in OpenAI's shape, template included. Raises LocalError BAD_REQUEST where the
        template refuses it.
        """
        assert self._template is not None
        return self.count(self._template.render_turns(messages, **({"tools": list(tools)} if tools else {})))

    async def input_units(self, request: ChatTask) -> int:
        """In a thread: a long conversation takes a while."""
        return await asyncio.to_thread(self.prompt, openai_messages(request), request.tools)


def read_tokens(path: Path, data_dir: Path | None = None) -> Tokens:
    """Raises LocalError ENGINE_FAILED where the packages are missing, MODEL_MISSING or BAD_SETTINGS where the file is
    no tokenizer.
    """
    path = path.expanduser()
    try:
        return _from_gguf(path, data_dir) if path.suffix == ".gguf" else _from_folder(path, data_dir)
    except ImportError as error:
        reason = 'counting by a tokenizer needs more packages: pip install "tallystick[ref]"'
        raise LocalError(Code.ENGINE_FAILED, engine="upstream", missing=error.name, reason=reason) from None


def _from_folder(path: Path, data_dir: Path | None) -> Tokens:
    from tokenizers import Tokenizer

    from ..exl2.folder import read_template

    folder, file = (path, path / "tokenizer.json") if path.is_dir() else (path.parent, path)
    files = {file.name: weights.file_sum(file, data_dir)}
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise LocalError(Code.MODEL_MISSING, path=str(file), reason=str(error)[:200]) from None
    return Tokens(tokenizer, read_template(folder), files)


def _from_gguf(path: Path, data_dir: Path | None) -> Tokens:
    from ..exl2.folder import template_of
    from ..exl2.gguf_model import GgufModel

    files = {path.name: weights.file_sum(path, data_dir)}
    model = GgufModel(path)
    return Tokens(model.tokenizer(), template_of(model.tokenizer_config(), path.parent), files)
