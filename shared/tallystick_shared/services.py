"""What a provider can be asked for, as data: each service's units, the shape of its traffic, and what bounds its count.

The transport carries any service; it looks here only for the class of traffic (section 6 of the protocol), which an
eavesdropper sees anyway, and for the fewest and the most bytes that an output unit may have, so that nobody is charged
for more than what arrived, nor flooded with what is not charged. All go by the service that was asked for, never by a
label that the provider chose. A service that is not in the table is treated as text: the steadiest class, the tightest
bounds.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from . import images
from .errors import PeerError
from .limits import KIB, MIB, TRIAL_INPUT
from .messages import MAX_ATTACHMENTS, MAX_INPUT
from .records import LOW_LATENCY, RICH


class Traffic(Enum):
    """Classes of traffic, by what comes down. `session.shape` has their beats."""

    TEXT = "text"
    RICH = "rich text"
    BULK = "bulk"
    LOW_LATENCY = "low latency"


@dataclass(frozen=True)
class Service:
    """A service: its name in OPEN, what an input and an output unit is, its traffic, and the bound of its count:
    output units × `least` never exceed the bytes received + `slack`, and those never exceed `most` bytes for each unit
    and the one that is under way. `most_input` is the longest input, in bytes.
    """

    name: str
    input_unit: str
    output_unit: str
    traffic: Traffic
    least: int
    slack: int
    most: int
    most_input: int = MAX_INPUT

    def plausible(self, units: int, size: int) -> bool:
        """May so many output units stand for `size` bytes of output? Rule 4 of section 5."""
        return units * self.least <= size + self.slack

    def fits(self, units: int, size: int) -> bool:
        """May `size` bytes of output come for so many units? A unit counts with its last byte, so one more is open."""
        return size <= (units + 1) * self.most


CHAT = Service("chat", "token", "token", Traffic.TEXT, 1, 16, 4 * KIB)
TRIAL = Service("trial", "token", "token", Traffic.TEXT, 1, 16, 4 * KIB, TRIAL_INPUT.value)  # a chat, given away
COMPLETION = Service("completion", "token", "token", Traffic.TEXT, 1, 16, 4 * KIB)
TRANSCRIPTIONS = Service("audio.transcriptions", "second", "token", Traffic.TEXT, 1, 16, 4 * KIB, MAX_ATTACHMENTS)
SPEECH = Service("audio.speech", "byte", "second", Traffic.BULK, 500, 500, 2 * MIB)  # speech codecs go down to 4 kbit/s
EMBEDDINGS = Service("embeddings", "token", "vector", Traffic.BULK, 64, 0, 256 * KIB)  # 512 dimensions of a bit each
IMAGES = Service("images", "byte", "image", Traffic.BULK, 64, 0, 64 * MIB)  # 4096 × 4096 pixels of 3 bytes

SERVICES: dict[str, Service] = {
    service.name: service for service in (CHAT, TRIAL, COMPLETION, TRANSCRIPTIONS, SPEECH, EMBEDDINGS, IMAGES)
}


def service_of(name: str) -> Service:
    """The row of a service; an unknown one is treated like text."""
    return SERVICES.get(name, CHAT)


@lru_cache(64)
def bounds_of(name: str, params: bytes) -> Service:
    """The row of a service, with `most` as small as what these parameters ask for allows: an image of 512 × 512 pixels
    does not come in 64 MiB. Parameters that cannot be read change nothing.
    """
    service = service_of(name)
    if service is IMAGES:
        with suppress(PeerError):
            asked = images.most_bytes(images.read_params(params))
            return replace(service, most=min(service.most, asked or service.most))
    return service


def traffic_of(flags: int, name: str) -> Traffic:
    """The class of a connection while it serves this: by the service, and among texts by what the user chose in
    HELLO. Both ends know flags and name, so nothing is sent for it.
    """
    traffic = service_of(name).traffic
    if traffic is not Traffic.TEXT:
        return traffic
    if flags & RICH:
        return Traffic.RICH
    return Traffic.LOW_LATENCY if flags & LOW_LATENCY else Traffic.TEXT
