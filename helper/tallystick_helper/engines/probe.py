"""The shortest question to a model: does it make one real unit?"""

from __future__ import annotations

import time

from tallystick_shared.audio import speech_input
from tallystick_shared.chat import chat_input
from tallystick_shared.embeddings import embeddings_input
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.images import images_input
from tallystick_shared.services import CHAT, EMBEDDINGS, IMAGES, SPEECH

from .seat import Capabilities, Engine, Piece, Reason, Task

INPUTS = {
    CHAT.name: chat_input([("user", "Say yes.")]),
    EMBEDDINGS.name: embeddings_input(["yes"]),
    IMAGES.name: images_input("a tally stick"),
    SPEECH.name: speech_input("yes"),
}


async def first_units(opened: Engine) -> dict[str, float | None]:
    """For each model, one after the other: see `first_unit`."""
    return {able.model: await first_unit(opened, able) for able in opened.models()}


async def first_unit(opened: Engine, able: Capabilities) -> float | None:
    """Seconds to the first piece; None where its services are not known here. Raises LocalError ENGINE_FAILED."""
    service = next((name for name in able.services if name in INPUTS), None)
    if service is None:
        return None
    # A few, because the first may be a part of a character only.
    task, start = Task(service, INPUTS[service], max_units=4, model=able.model), time.monotonic()
    async with opened.run(task) as run:
        async for event in run:
            if isinstance(event, Piece):
                return time.monotonic() - start
            if event.reason in (Reason.ERROR, Reason.CANCELLED):
                raise event.error or LocalError(Code.ENGINE_FAILED, model=able.model, finish=event.reason.value)
    return time.monotonic() - start
