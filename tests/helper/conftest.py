"""Fixtures of the node's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.helper.two_chains import Pair, on_two_chains
from tests.helper.world import Serving, World, new_world, serving


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A fresh chain."""
    async with new_world(tmp_path) as made:
        yield made


@pytest.fixture
async def provider(world: World) -> AsyncIterator[Serving]:
    """A provider with the loopback engine, serving on that chain."""
    async with serving(world) as made:
        yield made


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """One node that serves on two chains."""
    async with on_two_chains(tmp_path) as made:
        yield made
