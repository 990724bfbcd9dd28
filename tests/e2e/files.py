"""Chats that come into the page as a file."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import expect

from tests.e2e.driver import Driver


def imported(page: Driver, *answers: str, title: str = "Imported") -> None:
    """A chat with these answers, opened."""
    turns: list[dict[str, Any]] = []
    for place, answer in enumerate(answers):
        at = 2 * place + 1
        turns.append({"id": at, "role": "user", "text": f"Question {place}", "parent": at - 1, "state": "sent"})
        said = {"id": at + 1, "role": "assistant", "text": answer, "parent": at}
        turns.append({**said, "state": "done", "who": "loopback"})
    data = {"format": "tallystick-chats/1", "chats": [{"id": "imported", "title": title, "messages": turns}]}
    page.page.locator("[data-do=open-transfer]").click()
    with page.page.expect_file_chooser() as chooser:
        page.page.locator("[data-do=pick-import]").click()
    file = {"name": "chats.json", "mimeType": "application/json", "buffer": json.dumps(data).encode()}
    chooser.value.set_files(file)  # type: ignore[arg-type]
    page.page.locator("[data-do=open-chat]", has_text=title).click()
    expect(page.answers).to_have_count(len(answers))
