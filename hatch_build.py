"""Puts the built page into the wheel.

An editable install serves the page from ``web/dist`` in the checkout; a wheel has no checkout, so it takes those files
along as ``tallystick_helper/page``. The page is built beforehand (``./run build-page``): a wheel without one would
install a node that has nothing to show.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):
    """Adds ``web/dist`` to standard wheels; leaves editable ones alone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """``version`` is hatchling's name for the kind of wheel: ``standard`` or ``editable``."""
        if version == "editable":
            return
        page = Path(self.root) / "web" / "dist"
        if not (page / "index.html").is_file():
            raise SystemExit("The page is not built: run `./run build-page` first, then build the wheel.")
        build_data["force_include"][str(page)] = "tallystick_helper/page"
