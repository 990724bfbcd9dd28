"""The toy engines: real answers of every kind, with exact units."""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tallystick_helper.engines import Piece, Reason, Task, open_engine
from tallystick_helper.engines.conformance import collect, first_piece
from tallystick_helper.engines.toy_audio import RATE, hear, samples_of, speak, wav
from tallystick_helper.engines.toys import ToyEngine, ToyOptions
from tallystick_shared import audio, embeddings, images
from tallystick_shared.errors import Code
from tallystick_shared.messages import encode
from tallystick_shared.services import SERVICES, service_of

from ..shared.tools import refused

TASKS = {
    "vectors": Task(embeddings.SERVICE, embeddings.embeddings_input(["one two", "three", "two one"]), max_units=8),
    "audio": Task(audio.SPEECH, audio.speech_input("count the notches on this stick"), max_units=60),
    "images": Task(images.SERVICE, images.images_input("a notched stick"), max_units=2),
}


@pytest_asyncio.fixture(params=list(TASKS))
async def toy(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ToyEngine, Task]]:
    engine = ToyEngine(ToyOptions(request.param))
    yield engine, TASKS[request.param]
    await engine.close()


async def answer(what: str, task: Task) -> tuple[bytes, list[Piece], Reason]:
    engine = ToyEngine(ToyOptions(what))
    pieces, finish = await collect(engine.run(task))
    assert finish.error is None and finish.units == sum(piece.units for piece in pieces) <= task.max_units
    await engine.close()
    return b"".join(piece.data for piece in pieces), pieces, finish.reason


async def test_what_a_toy_offers_stands_in_the_table_of_services(toy: tuple[ToyEngine, Task]) -> None:
    able = toy[0].capabilities()
    assert set(able.services) <= set(SERVICES)
    assert "toy" in able.label and able.kind != "text"


async def test_input_units_are_within_what_the_offer_says(toy: tuple[ToyEngine, Task]) -> None:
    engine, task = toy
    able, units = engine.capabilities(), await engine.count(task)
    assert len(task.input) // able.bytes_per_unit <= units <= len(task.input) + able.template_units


async def test_output_units_are_plausible_to_a_client(toy: tuple[ToyEngine, Task]) -> None:
    engine, task = toy
    units = size = 0
    pieces, _ = await collect(engine.run(task))
    for piece in pieces:
        units, size = units + piece.units, size + len(piece.data)
        assert service_of(task.service).plausible(units, size)


async def test_a_toy_stops_when_it_is_cancelled(toy: tuple[ToyEngine, Task]) -> None:
    engine, task = toy
    run = engine.run(task)
    await first_piece(run)
    await run.aclose()
    assert engine.load().running == 0


async def test_what_is_not_offered_or_not_readable_is_refused(toy: tuple[ToyEngine, Task]) -> None:
    engine, task = toy
    with refused(Code.UNKNOWN_SERVICE):
        await engine.count(Task("chat", task.input))
    with refused(Code.BAD_REQUEST):
        await engine.count(Task(task.service, b"\xc1 no input"))
    with refused(Code.BAD_REQUEST):
        engine.run(Task(task.service, task.input, max_units=0))
    await engine.close()
    with refused(Code.DRAINING):
        engine.run(task)


async def test_settings_open_it_by_name() -> None:
    engine = await open_engine("toy", {"what": "images"})
    assert engine.capabilities().model == "toy-images"
    with refused(Code.BAD_SETTINGS):
        await open_engine("toy", {"what": "smells"})


async def test_vectors_have_length_one_and_follow_from_the_words() -> None:
    data, _, reason = await answer("vectors", TASKS["vectors"])
    one, other, same = embeddings.read_vectors(data, 3)
    assert reason is Reason.STOP and len(one) == 256
    assert all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-5) for vector in (one, other))
    assert one == same != other


async def test_vectors_of_another_length_and_fewer_of_them() -> None:
    task = TASKS["vectors"]
    params = encode(embeddings.EmbeddingsParams(16))
    data, _, reason = await answer("vectors", Task(task.service, task.input, params, 2))
    assert reason is Reason.LENGTH and len(data) == 2 * 16 * 4


async def test_what_is_spoken_is_heard_again() -> None:
    said = "Ein Kerbholz: one notch a shilling. ✓"
    sound, pieces, reason = await answer("audio", Task(audio.SPEECH, audio.speech_input(said), max_units=60))
    assert reason is Reason.STOP
    with wave.open(io.BytesIO(sound)) as file:
        seconds = file.getnframes() / RATE
    assert len(pieces) == math.ceil(seconds) == math.ceil(len(said.encode()) / 10)
    text, _, _ = await answer("audio", Task(audio.TRANSCRIPTIONS, sound, max_units=1000))
    assert text.decode() == said


async def test_speech_that_is_cut_is_a_whole_file_of_whole_seconds() -> None:
    sound, pieces, reason = await answer("audio", Task(audio.SPEECH, audio.speech_input("x" * 100), max_units=3))
    assert reason is Reason.LENGTH and len(pieces) == 3
    assert len(samples_of(sound)) == 3 * 2 * RATE


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt ", bytes(100)])
def test_what_is_no_sound_is_refused(data: bytes) -> None:
    with refused(Code.BAD_MESSAGE):
        samples_of(data)


def test_every_byte_is_heard() -> None:
    every = bytes(range(256))
    assert bytes(hear(samples_of(wav(speak(every))))) == every
    assert list(hear(speak(b"ab")[:-2])) == [ord("a")]


async def test_each_image_is_one_piece_with_its_number() -> None:
    _, pieces, _ = await answer("images", TASKS["images"])
    assert [(piece.units, piece.kind) for piece in pieces] == [(1, 0), (1, 1)]
    first, second = (piece.data for piece in pieces)
    assert first != second
    assert struct.unpack(">II", first[16:24]) == (128, 128)
    start = first.index(b"IDAT") + 4
    size = int.from_bytes(first[start - 8 : start - 4], "big")
    assert len(zlib.decompress(first[start : start + size])) == 128 * (1 + 3 * 128)


async def test_an_image_has_the_size_that_was_asked_for() -> None:
    params = encode(images.ImagesParams(8, 16))
    data, _, _ = await answer("images", Task(images.SERVICE, images.images_input("x"), params, 1))
    assert struct.unpack(">II", data[16:24]) == (8, 16)
