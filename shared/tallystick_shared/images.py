"""The `images` service: a prompt in, whole image files out.

An output unit is an image; `max_units` says how many. One image cannot be sold in parts, so where it is dearer than
the credit window it is paid first (PAY_FIRST). The `kind` of DATA is the image's number, from 0: pieces of one image
have one kind.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .limits import KIB
from .messages import decode, encode

SERVICE = "images"
MOST = 256
AROUND = 64 * KIB
"""Bytes of an image file that are no pixels: headers, colour profile, text."""
Side = Annotated[int, Meta(ge=8, le=4096)]


class ImagesInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is to be seen."""

    prompt: Annotated[str, Meta(min_length=1)]


class ImagesParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Width and height in pixels; None leaves them to the model."""

    width: Side | None = None
    height: Side | None = None


def most_bytes(params: ImagesParams) -> int | None:
    """The longest file, in bytes, of an image whose size was asked for: what it takes where nothing is compressed, at
    four channels of 16 bits, and what stands around it. None where the model chooses the size.
    """
    if params.width is None or params.height is None:
        return None
    return params.width * params.height * 8 + AROUND


def images_input(prompt: str) -> bytes:
    """Encoded input."""
    return encode(ImagesInput(prompt))


def read_input(data: bytes) -> ImagesInput:
    """Raises PeerError BAD_MESSAGE."""
    return decode(ImagesInput, data)


def read_params(data: bytes) -> ImagesParams:
    """Raises PeerError BAD_MESSAGE; empty bytes are all defaults."""
    return decode(ImagesParams, data) if data else ImagesParams()
