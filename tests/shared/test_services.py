"""The table of services: their traffic, and what bounds the count of their units."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared import chat, images
from tallystick_shared.errors import Code
from tallystick_shared.limits import MIB
from tallystick_shared.messages import Accept, Data, encode
from tallystick_shared.money import plausible_output
from tallystick_shared.services import (
    CHAT,
    EMBEDDINGS,
    IMAGES,
    SERVICES,
    SPEECH,
    TRANSCRIPTIONS,
    Traffic,
    bounds_of,
    service_of,
)
from tallystick_shared.session import Request
from tallystick_shared.session import events as ev
from tallystick_shared.session.client_stream import ClientStream
from tests.shared.pair import OFFER, Pair
from tests.shared.tools import refused


def test_names_are_their_keys():
    assert all(name == service.name for name, service in SERVICES.items())
    assert chat.SERVICE in SERVICES


def test_what_is_text_comes_in_the_shape_of_text():
    for service in SERVICES.values():
        assert (service.output_unit == "token") == (service.traffic is Traffic.TEXT)


def test_an_unknown_service_is_treated_like_text():
    assert service_of("something new") is CHAT


@pytest.mark.parametrize("size", [0, 1, 15, 16, 500, 10**6])
def test_text_is_bounded_as_the_money_rules_say(size):
    for units in (0, 1, size, size + 16, size + 17):
        assert CHAT.plausible(units, size) == TRANSCRIPTIONS.plausible(units, size) == plausible_output(units, size)


@pytest.mark.parametrize("service", [SPEECH, EMBEDDINGS, IMAGES])
def test_other_units_have_bytes_each(service):
    assert service.plausible(10, 10 * service.least)
    assert service.plausible(10, 10 * service.least - service.slack)
    assert not service.plausible(10, 10 * service.least - service.slack - 1)
    assert not service.plausible(2, 0)


@pytest.mark.parametrize("service", SERVICES.values())
def test_a_unit_has_no_more_than_its_bytes(service):
    assert service.fits(0, service.most) and not service.fits(0, service.most + 1)
    assert service.fits(3, 4 * service.most) and not service.fits(3, 4 * service.most + 1)


@pytest.mark.parametrize(
    ("params", "most"),
    [
        (encode(images.ImagesParams(512, 512)), 2 * MIB + images.AROUND),
        (encode(images.ImagesParams(8, 8)), 512 + images.AROUND),
        (encode(images.ImagesParams(4096, 4096)), IMAGES.most),
        (encode(images.ImagesParams(512)), IMAGES.most),
        (b"", IMAGES.most),
        (b"\xc1", IMAGES.most),
    ],
)
def test_an_image_has_no_more_than_the_bytes_of_its_size(params, most):
    bounds = bounds_of("images", params)
    assert bounds.most == most and bounds.least == IMAGES.least
    assert bounds_of("embeddings", params) is EMBEDDINGS


def test_bytes_beyond_the_size_that_was_asked_for_end_the_connection(crypto):
    request = Request(bytes(16), "images", encode(images.ImagesParams(8, 8)), b"x" * 16, OFFER, 1)
    held = ClientStream(request)
    held.accept(Accept(4, 0, 0, False), Pair(crypto).connect().client.account)
    with refused(Code.TOO_LARGE):
        held.data(Data(1, 0, 0, bytes(images.AROUND + 513)), Pair(crypto).connect().client.account)


@pytest.mark.parametrize(("units", "most", "good"), [(0, 9, True), (1, 9, True), (1, 1, False)])
def test_bytes_that_no_unit_stands_for_end_the_connection(crypto, units, most, good):
    """No provider fills a client's memory for nothing: beyond the unit under way, and after the last that was asked
    for, no byte more is taken.
    """
    pair = Pair(crypto).connect()
    account, request = pair.client.account, Request(bytes(16), "embeddings", b"", b"x" * 16, OFFER, most)
    held = ClientStream(request)
    held.accept(Accept(4, 0, 0, False), account)
    largest, seq = EMBEDDINGS.most * (units + good), 0
    for _ in range(0, largest, 8192):
        seq += 1
        held.data(Data(seq, min(units, seq), 0, bytes(8192)), account)
    with refused(Code.TOO_LARGE):
        held.data(Data(seq + 1, units, 0, b"x"), account)


def test_a_label_does_not_loosen_the_bound(crypto):
    """A text model that is offered as images is still counted as what was asked for."""
    pair = Pair(crypto).connect()
    offer = msgspec.structs.replace(OFFER, kind="images")
    request = Request(bytes(16), "chat", b"", b"x" * 16, offer, 1000)
    stream = pair.client.open(request, pair.client.first_amount(request))
    pair.settle()
    pair.provider.data(stream, b"x", 18)
    pair.pass_time(1)
    [closed] = pair.seen(ev.Closed)
    assert closed.error.code is Code.OVERCHARGED


@pytest.mark.parametrize(("service", "data", "units"), [("images", b"x" * 127, 2), ("embeddings", b"x" * 63, 1)])
def test_units_without_their_bytes_are_not_paid(crypto, service, data, units):
    pair = Pair(crypto).connect()
    stream = pair.ask(service=service)
    pair.provider.data(stream, data, units)
    pair.provider.finish(stream, "stop")
    pair.pass_time(1)
    [closed] = pair.seen(ev.Closed)
    assert closed.error.code is Code.OVERCHARGED
    assert pair.client.signed <= pair.client.account.owed
