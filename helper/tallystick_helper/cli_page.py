"""`tallystick page`: the page as a folder of files, for a host without a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .flags import Chain, Here, command

if TYPE_CHECKING:
    from .settings import Settings

app = typer.Typer(
    name="page", help="The page as a folder of files, for any https host or IPFS: no node needed.", no_args_is_help=True
)
Folder = Annotated[Path, typer.Argument(help="The folder.", metavar="DIR")]
Files = Annotated[Path | None, typer.Option("--files", help="The built page to take; the one that came along.")]


@command(app)
def build(
    folder: Folder,
    at: Chain,
    chain_id: Annotated[int | None, typer.Option("--chain-id", help="The chain's id; it is asked if not set.")] = None,
    name: Annotated[str | None, typer.Option("--chain-name", help="The chain's name; by its id if not set.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Its coin.")] = None,
    explorer: Annotated[str | None, typer.Option("--explorer", help="A block explorer's address, for links.")] = None,
    block: Annotated[int | None, typer.Option("--block", help="The block of the contracts' deployment.")] = None,
    files: Files = None,
) -> None:
    """Write the page into DIR, with the chain in it: every file relative, the same bytes from the same settings.

    Everybody who opens the page can read the RPC addresses. An earlier page in DIR is replaced.

    JSON: folder, build, files, bytes, site (what the page is told).
    """
    chain: dict[str, Any] = {"id": chain_id, "name": name, "symbol": symbol, "explorer": explorer, "block": block}
    chain |= {"rpc": at.rpc or None, "registry": at.registry, "channels": at.channels}
    settings = at.settings(chain=chain)
    site = at.run(site_of(settings))
    from . import static_page
    from .routes.page import page_folder

    made = at.call(lambda: static_page.build(page_folder(files or settings.page.files), folder, site))
    text = f"{folder}: {made['files']} files, {made['bytes'] / 1e6:.1f} MB, for {site['chain_name']}."
    public = f"Anybody can read the RPC addresses in it: {', '.join(site['rpc'])}"
    at.say({"folder": str(folder), **made, "site": site}, f"{text}\n{public}")


async def site_of(settings: Settings) -> dict[str, Any]:
    """What the page is told of its chains. A chain is asked only for what the settings do not say. Raises LocalError
    BAD_SETTINGS where no chain is named; NO_CONTRACTS, RPC_UNREACHABLE.
    """
    from tallystick_shared.errors import Code, LocalError

    from .chain.deploy import chain_id
    from .chain.rpc import HttpRpc
    from .crypto import NativeCrypto
    from .deployments import locate
    from .site_file import site_values

    places = settings.places()
    if not places:
        raise LocalError(Code.BAD_SETTINGS, setting="chain.rpc", reason="name the chain: --rpc URL")
    found = []
    for place in places:
        rpc = HttpRpc(place.chain.rpc, chain_id=place.chain.id)
        try:
            named = place.chain.id or await chain_id(rpc)
            found.append(site_values(place.chain, await locate(place, named, rpc, NativeCrypto())))
        finally:
            await rpc.aclose()
    first, *further = found
    return {**first, "further": further} if further else first


@command(app)
def verify(folder: Folder, at: Here, files: Files = None) -> None:
    """Compare DIR with its own sums, and with the page of this version of Tallystick.

    JSON: whole, same, build, files, missing, changed, added. Exit code 1 where it is not whole.
    """
    settings = at.settings()
    from dataclasses import asdict

    from . import static_page
    from .routes.page import page_folder

    verdict = at.call(lambda: static_page.verify(folder, page_folder(files or settings.page.files)))
    kinds = {"Missing": verdict.missing, "Changed": verdict.changed, "Added": verdict.added}
    lines = [f"{kind:8} {name}" for kind, names in kinds.items() for name in names]
    how = f"{verdict.files} files, as they were built" if verdict.whole else "not as it was built"
    lines.append(f"{folder}: {how}; {'the' if verdict.same else 'not the'} page of this version of Tallystick.")
    at.say({"whole": verdict.whole, **asdict(verdict)}, "\n".join(lines))
    if not verdict.whole:
        raise typer.Exit(1)
