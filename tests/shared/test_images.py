"""The `images` service: its prompt and its params."""

from __future__ import annotations

import pytest

from tallystick_shared import images
from tallystick_shared.errors import Code
from tallystick_shared.messages import encode
from tallystick_shared.services import IMAGES
from tests.shared.tools import refused


def test_a_prompt_comes_back():
    assert images.read_input(images.images_input("a notch")).prompt == "a notch"
    assert IMAGES.name == images.SERVICE


@pytest.mark.parametrize("data", [b"", b"\x91\xa0", b"\x90"])
def test_what_is_no_input_is_refused(data):
    with refused(Code.BAD_MESSAGE):
        images.read_input(data)


def test_params_have_defaults_and_bounds():
    assert images.read_params(b"") == images.ImagesParams()
    assert images.read_params(encode(images.ImagesParams(640, 480))) == images.ImagesParams(640, 480)
    for side in (0, 7, 4097):
        with refused(Code.BAD_MESSAGE):
            images.read_params(encode(images.ImagesParams(side)))
