"""GGUF files: which there are in a folder, and what a header says. Only the header is read, never the weights.

Format: ggml's docs/gguf.md, versions 2 and 3. The `gguf` package reads it too, but maps the whole file and makes an
object of each token; a provider that looks over a folder of models needs a dozen of the values.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tallystick_shared.errors import Code, LocalError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_KEPT_ARRAY = 1024
_MOST_VALUES, _MOST_TEXT, _MOST_ARRAY = 4096, 1 << 24, 1 << 24
_PART = re.compile(r"^(?P<stem>.+)-(?P<at>\d{5})-of-(?P<count>\d{5})$")
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
Header = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GgufModel:
    """A model's files, the first part first, and its header."""

    files: tuple[Path, ...]
    header: Header

    @property
    def path(self) -> Path:
        """What llama.cpp is given; it finds the other parts itself."""
        return self.files[0]

    @property
    def name(self) -> str:
        """The file's, without the number of the part."""
        found = _PART.match(self.path.stem)
        return found["stem"] if found else self.path.stem

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def architecture(self) -> str:
        return str(self.header.get("general.architecture", ""))

    @property
    def quantisation(self) -> str:
        return _FILE_TYPES.get(self.header.get("general.file_type", -1), "")

    @property
    def licence(self) -> str:
        return str(self.header.get("general.license", ""))

    @property
    def template(self) -> str:
        """The chat template; empty where the model has none."""
        return str(self.header.get("tokenizer.chat_template", ""))

    @property
    def trained_context(self) -> int:
        """Tokens; 0 where the header does not say."""
        return int(self.of("context_length", 0))

    def of(self, key: str, default: Any) -> Any:
        """A value under the architecture's own name."""
        return self.header.get(f"{self.architecture}.{key}", default)


def read_model(path: Path) -> GgufModel:
    """The model at a path: a file (the first part of several), or a folder that holds one model.

    Raises LocalError MODEL_MISSING.
    """
    if path.is_dir():
        found = models_in(path)
        if len(found) != 1:
            names = ", ".join(one.name for one in found[:8]) or "no .gguf file"
            raise LocalError(Code.MODEL_MISSING, path=str(path), reason=f"one model is wanted, found: {names}")
        path = found[0]
    return GgufModel(_parts(path), read_header(path))


def models_in(folder: Path) -> list[Path]:
    """The models of a folder and what lies below it, by name: first parts only, no projectors."""
    every = sorted(path for path in folder.rglob("*.gguf") if path.is_file())
    return [path for path in every if _is_first(path) and "mmproj" not in path.name.lower()]


def _is_first(path: Path) -> bool:
    found = _PART.match(path.stem)
    return found is None or int(found["at"]) == 1


def _parts(path: Path) -> tuple[Path, ...]:
    found = _PART.match(path.stem)
    if found is None:
        return (path,)
    count = int(found["count"])
    parts = tuple(path.with_name(f"{found['stem']}-{at:05}-of-{count:05}.gguf") for at in range(1, count + 1))
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise LocalError(Code.MODEL_MISSING, path=str(path), reason=f"a part is not there: {missing[0]}")
    return parts


def read_header(path: Path) -> Header:
    """The header's values; arrays of more than 1,024 entries are left out. Raises LocalError MODEL_MISSING."""
    try:
        with path.open("rb") as file:
            return _header(file)
    except (OSError, ValueError, struct.error, UnicodeDecodeError) as error:
        raise LocalError(Code.MODEL_MISSING, path=str(path), reason=f"no GGUF model: {error}"[:120]) from None


def _header(file: BinaryIO) -> Header:
    magic, version, _, count = struct.unpack("<4sIQQ", file.read(24))
    if magic != b"GGUF" or version not in (2, 3) or count > _MOST_VALUES:
        raise ValueError("the header is none")
    header: Header = {}
    for _ in range(count):
        key = _text(file)
        value = _value(file, *_numbers(file, "I"))
        if value is not None:
            header[key] = value
    return header


def _numbers(file: BinaryIO, format: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{format}", file.read(struct.calcsize(f"<{format}")))


def _text(file: BinaryIO) -> str:
    (size,) = _numbers(file, "Q")
    if size > _MOST_TEXT:
        raise ValueError("a text is too long")
    return file.read(size).decode(errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        return _array(file, *_numbers(file, "IQ"))
    return _numbers(file, _SCALARS[kind] if kind in _SCALARS else _unknown(kind))[0]


def _array(file: BinaryIO, kind: int, count: int) -> list[Any] | None:
    if count > _MOST_ARRAY:
        raise ValueError("an array is too long")
    if kind in _SCALARS and count > _KEPT_ARRAY:
        file.seek(count * struct.calcsize(f"<{_SCALARS[kind]}"), 1)
        return None
    if kind == _STRING and count > _KEPT_ARRAY:
        for _ in range(count):
            (size,) = struct.unpack("<Q", file.read(8))
            file.seek(size, 1)
        return None
    return [_value(file, kind) for _ in range(count)]


def _unknown(kind: int) -> str:
    raise ValueError(f"unknown kind of value {kind}")
