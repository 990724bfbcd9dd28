"""The chats' story: branches, several chats, what a reload keeps, search, files in and out, the palette."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.driver import Driver
from tests.e2e.wallet import TestWallet


def asked(page: Driver, question: str, count: int = 1) -> None:
    """A question and the beginning of its answer, stopped."""
    page.ask(question)
    page.streaming()
    page.stop()
    page.answered(count)


def out_and_in_again(page: Driver, file: Path) -> None:
    """Two chats are written out; one is deleted, taken back, deleted, and read in again."""
    tab = page.page
    tab.locator("[data-do=open-transfer]").click()
    with tab.expect_download() as told:
        tab.locator("[data-do=export-json]").click()
    told.value.save_as(file)
    exported = json.loads(file.read_text("utf-8"))
    assert len(exported["chats"]) == 2
    for undone in (True, False):
        tab.locator(".chat", has_text="lanterns").hover()
        tab.locator(".chat", has_text="lanterns").locator("[data-do=chat-menu]").click()
        tab.locator("[data-do=delete-chat]").click()
        expect(tab.locator(".chat", has_text="lanterns")).to_have_count(0)
        if undone:
            tab.locator("[data-do=undelete-chat]").click()
            expect(tab.locator(".chat", has_text="lanterns")).to_have_count(1)
    tab.locator("[data-do=open-transfer]").click()
    with tab.expect_file_chooser() as chooser:
        tab.locator("[data-do=pick-import]").click()
    chooser.value.set_files(file)
    expect(tab.locator(".chat", has_text="lanterns")).to_have_count(1)


def by_the_palette(page: Driver) -> None:
    """A chat is found by the keyboard alone."""
    tab = page.page
    tab.keyboard.press("Control+k")
    expect(tab.locator("#palette")).to_be_focused()
    tab.keyboard.type("lantern")
    tab.keyboard.press("Enter")
    expect(tab.locator(".message.user .said")).to_contain_text("lanterns")
    tab.keyboard.press("Control+/")
    expect(page.sheet).to_contain_text("Shortcuts")


def test_branches_chats_search_and_files(wallet: TestWallet, page: Driver, tmp_path: Path) -> None:
    tab = page.page
    page.open().connect().connected().deposit("0.5").deposited()
    tab.locator("#draft").fill("An estimate")
    expect(tab.locator("[data-estimate]")).to_contain_text("at most")
    asked(page, "Tell me of lanterns")
    expect(tab.locator("[data-total]")).to_contain_text("This chat:")

    # Once more, and back
    tab.locator("[data-do=regenerate]").click()
    page.streaming()
    page.stop()
    page.answered()
    expect(tab.locator(".message.assistant .branches")).to_contain_text("2/2")
    tab.get_by_label("Version before").click()
    expect(tab.locator(".message.assistant .branches")).to_contain_text("1/2")

    # The question in other words, by the keyboard
    tab.locator("#draft").press("ArrowUp")
    editor = tab.locator("#edit")
    expect(editor).to_be_focused()
    editor.fill("Tell me of quartz")
    editor.press("Enter")
    page.streaming()
    tab.keyboard.press("Escape")
    expect(page.answered()).to_contain_text("quartz")
    expect(tab.locator(".message.user .branches")).to_contain_text("2/2")

    # Another chat; the first is found by a word that is on the branch not shown
    tab.keyboard.press("Control+Shift+O")
    expect(page.answers).to_have_count(0)
    asked(page, "Something else")
    expect(tab.locator(".chat")).to_have_count(2)
    tab.keyboard.press("Control+Shift+F")
    tab.keyboard.type("lanterns")
    hits = tab.locator(".hit")
    expect(hits.first).to_contain_text("lanterns")
    hits.first.click()
    expect(tab.locator(".message.user .said")).to_contain_text("lanterns")
    tab.locator("#query").fill("")

    # Everything is there after a reload
    tab.reload()
    page.ready()
    expect(tab.locator(".message.user .said")).to_contain_text("lanterns")
    expect(tab.locator(".message.user .branches")).to_contain_text("1/2")
    expect(tab.locator(".chat")).to_have_count(2)

    out_and_in_again(page, tmp_path / "chats.json")
    by_the_palette(page)


def test_two_tabs_see_each_others_chats(wallet: TestWallet, page: Driver) -> None:
    page.open().connect().connected().deposit("0.2").deposited()
    other = page.page.context.new_page()
    second = Driver(other, page.demo)
    second.open()
    page.page.bring_to_front()
    asked(page, "From the first tab")
    expect(other.locator(".chat")).to_contain_text("From the first tab")
    other.locator("[data-do=open-chat]").click()
    expect(other.locator(".message.assistant")).to_contain_text("From the first tab")
    other.close()


def test_a_file_goes_along_and_a_prompt_stays_with_its_chat(wallet: TestWallet, page: Driver) -> None:
    tab = page.page
    page.open().connect().connected().deposit("0.2").deposited()
    tab.locator("[data-do=open-setup]").click()
    tab.locator("#system").fill("Answer like a zither")
    tab.locator("#preset").fill("Zither")
    tab.locator("#preset").press("Enter")
    expect(tab.locator(".presets")).to_contain_text("Zither")
    tab.keyboard.press("Escape")
    tab.locator("[data-do=attach-menu]").click()
    expect(tab.get_by_role("menuitem", name="Picture")).to_have_attribute("aria-disabled", "true")
    with tab.expect_file_chooser() as chooser:
        tab.locator("[data-do=pick-files]").click()
    chooser.value.set_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"marzipan " * 5})
    expect(tab.locator("#files")).to_contain_text("notes.txt")
    asked(page, "What is in it?")
    expect(page.answers.first).to_contain_text("marzipan")
    tab.locator("[data-do=open-setup]").click()
    expect(tab.locator("#system")).to_have_value("Answer like a zither")
