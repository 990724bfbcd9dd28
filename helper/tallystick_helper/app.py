"""The three Starlette apps of a node: one for anyone, one for the page, one for the person at this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from .admin_guard import AdminGuard
from .middleware import LoopbackHosts
from .routes.page import Configuration, Page, page_routes
from .routes.public import Server, public_routes

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
OWN_HOSTS = ("127.0.0.1", "::1", "localhost")
"""What a listener is bound to that only this machine reaches."""


def public_app(server: Callable[[], Server | None]) -> Starlette:
    """The public listener. `server` gives the node, or the switchboard before several, as soon as there is one."""
    return Starlette(routes=public_routes(server))


def page_app(page: Page, configuration: Configuration, host: str) -> Starlette:
    """The page's listener. Bound to this machine it answers to this machine's names only."""
    guard = [Middleware(LoopbackHosts, hosts=LOOPBACK)] if host in OWN_HOSTS else []
    return Starlette(routes=page_routes(page, configuration), middleware=guard)


def admin_app(routes: Sequence[BaseRoute], names: Callable[[], frozenset[str]]) -> Starlette:
    """The admin listener: what belongs to the person alone, behind the rules for it. `names` are its Host values, known
    once it is bound.
    """
    return Starlette(routes=list(routes), middleware=[Middleware(AdminGuard, names=names)])
