"""The services `audio.speech` (text in, sound out) and `audio.transcriptions` (sound in, text out).

Sound is a whole file, WAV unless a provider's offer says another; a unit of sound is a second, one that was begun
counts. A unit of text is a byte on the way in and a token on the way out.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .messages import decode, encode

SPEECH = "audio.speech"
TRANSCRIPTIONS = "audio.transcriptions"


class SpeechInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is to be said, and in whose voice (empty: the model's own)."""

    text: Annotated[str, Meta(min_length=1)]
    voice: Annotated[str, Meta(max_length=64)] = ""


def speech_input(text: str, voice: str = "") -> bytes:
    """Encoded input of `audio.speech`; that of `audio.transcriptions` is the file itself."""
    return encode(SpeechInput(text, voice))


def read_speech(data: bytes) -> SpeechInput:
    """Raises PeerError BAD_MESSAGE."""
    return decode(SpeechInput, data)
