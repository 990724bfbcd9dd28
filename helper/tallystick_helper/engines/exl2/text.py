"""A tokenizer of a model folder: text to ids, and each id to the exact bytes that it stands for.

Bytes, because a token may be part of a character: what was handed out is counted in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from tallystick_shared.errors import Code, LocalError

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Text:
    """Reads `tokenizer.json`. Raises LocalError MODEL_MISSING."""

    def __init__(self, path: Path) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise LocalError(Code.MODEL_MISSING, path=str(path), reason=str(error)[:200]) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        added = self._tokenizer.get_added_tokens_decoder()
        self.special = frozenset(token for token, entry in added.items() if entry.special)
        self._pieces = self._all_pieces({token: entry.content for token, entry in added.items()})
        self.size = len(self._pieces)
        """Ids below this may stand for something."""
        self.longest = max(1, *(len(piece) for piece in self._pieces))
        """Bytes of the longest token that has text."""

    def encode(self, text: str) -> list[int]:
        """Ids of a prompt. Special tokens written out in it are read as such, and none is added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def piece(self, token: int) -> bytes:
        """The bytes of one id: none for a special token or an id beyond the vocabulary."""
        return self._pieces[token] if 0 <= token < len(self._pieces) else b""

    def name(self, token: int) -> str:
        """How the vocabulary writes an id, special tokens included."""
        return self._tokenizer.id_to_token(token) or ""

    def data(self, tokens: Sequence[int]) -> bytes:
        return b"".join(map(self.piece, tokens))

    def decode(self, tokens: Sequence[int]) -> str:
        """Text; what is no character stands as U+FFFD."""
        return self.data(tokens).decode(errors="replace")

    def _all_pieces(self, added: dict[int, str]) -> list[bytes]:
        in_bytes = "ByteLevel" in _decoders(self._tokenizer)
        top = max([*added, *self._tokenizer.get_vocab(with_added_tokens=True).values(), 0])
        pieces = [b""] * (top + 1)
        for token in range(top + 1):
            name = self._tokenizer.id_to_token(token)
            if name is None or token in self.special:
                continue
            if token in added:
                pieces[token] = added[token].encode()
            else:
                pieces[token] = _byte_level(name) if in_bytes else _sentence_piece(name)
        return pieces


def _decoders(tokenizer: Tokenizer) -> set[str]:
    decoder = json.loads(tokenizer.to_str()).get("decoder") or {}
    return {str(step.get("type")) for step in (decoder, *decoder.get("decoders", ()))}


def _sentence_piece(name: str) -> bytes:
    """Of a vocabulary in which U+2581 is a space and `<0x0A>` a byte."""
    if found := _BYTE_TOKEN.fullmatch(name):
        return bytes([int(found[1], 16)])
    return name.replace("\u2581", " ").encode()


def _byte_level(name: str) -> bytes:
    """Of a vocabulary that writes each byte as one printable character."""
    table = byte_characters()
    try:
        return bytes(table[character] for character in name)
    except KeyError:
        return name.encode()


@lru_cache(1)
def byte_characters() -> dict[str, int]:
    """The character of each byte in GPT-2's alphabet: printable ones are themselves, the rest follow from U+0100."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(value): value for value in plain}
    table.update((chr(256 + index), value) for index, value in enumerate(sorted(set(range(256)) - set(plain))))
    return table
