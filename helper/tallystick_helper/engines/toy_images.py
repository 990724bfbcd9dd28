"""The toy of images: a PNG whose pixels follow from the prompt and the image's number."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Generator
from functools import partial

from tallystick_shared.images import MOST, SERVICE, read_input, read_params

from .seat import Piece, Reason, Task

_SIDE = 128


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A file of 8-bit RGB `pixels`, row by row (W3C PNG, third edition, sections 5 and 11)."""
    rows = b"".join(b"\0" + pixels[at : at + 3 * width] for at in range(0, 3 * width * height, 3 * width))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def picture(prompt: str, number: int, width: int = _SIDE, height: int = _SIDE) -> bytes:
    """The image of that number to a prompt."""
    seed = hashlib.blake2s(prompt.encode(), salt=number.to_bytes(8, "big")).digest()
    return png(width, height, hashlib.shake_256(seed).digest(3 * width * height))


def _piece(prompt: str, number: int, width: int, height: int) -> Piece:
    return Piece(picture(prompt, number, width, height), 1, number)


class Pictures:
    """`images`: an input unit is a byte of the prompt, an output unit a whole image."""

    kind = "images"
    services: tuple[str, ...] = (SERVICE,)
    unit = "image"
    bytes_per_unit = 16

    def count(self, task: Task) -> int:
        read_params(task.params)
        return len(read_input(task.input).prompt.encode())

    def pieces(self, task: Task) -> Generator[Callable[[], Piece], None, Reason]:
        prompt, params = read_input(task.input).prompt, read_params(task.params)
        for number in range(min(task.max_units, MOST)):
            yield partial(_piece, prompt, number, params.width or _SIDE, params.height or _SIDE)
        return Reason.STOP if task.max_units <= MOST else Reason.LENGTH
