"""The toy of sound: every byte of a text is two tones of 50 ms, one for each half of it; they can be heard again.

Files are WAV: 8,000 samples a second, 16 bits, one channel. The sixteen tones are multiples of 200 Hz, so each fits
its 400 samples a whole number of times and none is mistaken for another.
"""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Callable, Generator, Iterator
from functools import cache, partial

from tallystick_shared.audio import SPEECH, TRANSCRIPTIONS, read_speech
from tallystick_shared.errors import Code, PeerError

from .seat import Piece, Reason, Task

RATE = 8000
SAMPLES = 400
_SECOND = 2 * RATE  # bytes
_LOUD = 8000


@cache
def _tone(half: int) -> bytes:
    """50 ms of the tone for a half byte."""
    step = 2 * math.pi * _pitch(half) / RATE
    return struct.pack(f"<{SAMPLES}h", *(round(_LOUD * math.sin(step * at)) for at in range(SAMPLES)))


def _pitch(half: int) -> int:
    return 400 + 200 * half


def wav(samples: bytes) -> bytes:
    """A file of these samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(RATE)
        made.writeframes(samples)
    return file.getvalue()


def samples_of(data: bytes) -> bytes:
    """The samples of a file. Raises PeerError BAD_MESSAGE where it is not one that this toy hears."""
    try:
        with wave.open(io.BytesIO(data), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
                raise PeerError(Code.BAD_MESSAGE, reason="the toy hears one channel, 16 bits, 8000 a second")
            return file.readframes(file.getnframes())
    except (wave.Error, EOFError, struct.error):
        raise PeerError(Code.BAD_MESSAGE, reason="not a WAV file") from None


def speak(text: bytes) -> bytes:
    """A text as samples."""
    return b"".join(_tone(byte >> 4) + _tone(byte & 15) for byte in text)


def hear(samples: bytes) -> Iterator[int]:
    """The bytes that these samples say; what is no whole byte at the end is left out."""
    halves = [_loudest(samples[at : at + 2 * SAMPLES]) for at in range(0, len(samples) - 2 * SAMPLES + 1, 2 * SAMPLES)]
    for high, low in zip(halves[::2], halves[1::2], strict=False):
        yield high << 4 | low


def _loudest(samples: bytes) -> int:
    """The half byte whose tone it is, by one bin of the Fourier transform for each."""
    values = struct.unpack(f"<{SAMPLES}h", samples)

    def power(half: int) -> float:
        step = 2 * math.pi * _pitch(half) / RATE
        real = sum(value * math.cos(step * at) for at, value in enumerate(values))
        return math.hypot(real, sum(value * math.sin(step * at) for at, value in enumerate(values)))

    return max(range(16), key=power)


class Tones:
    """`audio.speech` and `audio.transcriptions`: a unit of sound is a second that was begun, one of text a byte."""

    kind = "audio"
    services: tuple[str, ...] = (SPEECH, TRANSCRIPTIONS)
    unit = "second"
    bytes_per_unit = _SECOND + 1000

    def count(self, task: Task) -> int:
        if task.service == SPEECH:
            return len(read_speech(task.input).text.encode())
        return max(1, -(-len(samples_of(task.input)) // _SECOND))

    def pieces(self, task: Task) -> Generator[Callable[[], Piece], None, Reason]:
        if task.service == TRANSCRIPTIONS:
            said = bytes(hear(samples_of(task.input)))
            yield from (partial(Piece, bytes([byte]), 1) for byte in said[: task.max_units])
            return Reason.STOP if len(said) <= task.max_units else Reason.LENGTH
        whole = speak(read_speech(task.input).text.encode())
        samples = whole[: task.max_units * _SECOND]
        file = wav(samples)
        first = len(file) - len(samples) + _SECOND
        yield partial(Piece, file[:first], 1)
        for at in range(first, len(file), _SECOND):
            yield partial(Piece, file[at : at + _SECOND], 1)
        return Reason.STOP if len(samples) == len(whole) else Reason.LENGTH
