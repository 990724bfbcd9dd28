"""The table of services: their traffic, and what bounds the count of their units."""

from __future__ import annotations

import pytest

from tallystick_shared import chat
from tallystick_shared.money import plausible_output
from tallystick_shared.services import CHAT, EMBEDDINGS, IMAGES, SERVICES, SPEECH, TRANSCRIPTIONS, Traffic, service_of


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
