"""A page without a network asks nobody; back again it goes on by itself."""

from __future__ import annotations

from tallystick_web.actions import Noticed
from tallystick_web.main import build, start
from tallystick_web.state import Notice
from tallystick_web.views.top import status
from tests.web.seats import WALLET, MemoryWallets, seats

from .pages import SITE_TEXT


async def test_offline_no_wallet_is_asked_and_online_it_goes_on_with_the_one_used_last() -> None:
    filled = seats(WALLET)
    wallets = filled.wallets
    assert isinstance(wallets, MemoryWallets)
    await filled.vault.put("wallet", WALLET.id.encode())
    page = build(filled)
    await start(page, SITE_TEXT, offline=True)
    await page.app.idle()
    assert "offline" in status(page.app.state, page.app.words)
    assert wallets.asked == []
    page.app.dispatch(Noticed(Notice("provider_gone")))
    page.app.heard("online")
    await page.app.idle()
    assert page.app.state.connected and not page.app.state.offline
    assert page.app.state.notice is None or page.app.state.notice.name != "provider_gone"
    assert "eth_accounts" in wallets.asked
