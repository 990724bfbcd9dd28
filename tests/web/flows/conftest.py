"""Fixtures of the flows' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.helper.world import Serving, World, new_world, serving


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A fresh chain with the contracts on it."""
    async with new_world(tmp_path) as made:
        yield made


@pytest.fixture
async def provider(world: World) -> AsyncIterator[Serving]:
    """A provider that serves on that chain."""
    async with serving(world) as made:
        yield made
