"""The audio services: what speech is asked for."""

from __future__ import annotations

import pytest

from tallystick_shared import audio
from tallystick_shared.errors import Code
from tallystick_shared.messages import encode
from tallystick_shared.services import SERVICES
from tests.shared.tools import refused


def test_what_is_to_be_said_comes_back():
    asked = audio.read_speech(audio.speech_input("one notch", "low"))
    assert (asked.text, asked.voice) == ("one notch", "low")
    assert audio.read_speech(audio.speech_input("x")).voice == ""


@pytest.mark.parametrize("data", [b"", b"\x92\xa0\xa0", encode(audio.SpeechInput("x", "v" * 65)), b"RIFF"])
def test_what_is_no_input_is_refused(data):
    with refused(Code.BAD_MESSAGE):
        audio.read_speech(data)


def test_sound_is_counted_in_seconds_on_its_way_in_and_out():
    assert SERVICES[audio.SPEECH].output_unit == SERVICES[audio.TRANSCRIPTIONS].input_unit == "second"
