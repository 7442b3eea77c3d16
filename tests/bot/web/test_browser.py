"""A person at the command bar: types, completes with keys, reads, opens, shares, deletes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.bot.web.chromium import DESKTOP, PHONE, chromium, complaints
from tests.bot.web.conftest import Pages

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement
    from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE_S = 30.0
OVERFLOWING = """
const wide = document.documentElement.clientWidth;
return [...document.body.querySelectorAll("*")].filter((e) => !e.closest(".scroll, .skip"))
  .filter((e) => e.getBoundingClientRect().right > wide + 1).map((e) => e.outerHTML.slice(0, 80));
"""


def wait(chrome: Chrome, selector: str) -> WebElement:
    """The first element of ``selector`` that can be seen, as soon as there is one."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support import expected_conditions

    seen = expected_conditions.visibility_of_element_located((By.CSS_SELECTOR, selector))
    found: WebElement = patience(chrome).until(seen)
    return found


def patience(chrome: Chrome) -> WebDriverWait[Chrome]:
    """Asks again while the page asked is just being left: the driver has several errors for it."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(chrome, PATIENCE_S, ignored_exceptions=(WebDriverException,))


def until(chrome: Chrome, condition: Callable[[], bool]) -> None:
    patience(chrome).until(lambda _: condition())


def read(chrome: Chrome, selector: str, words: str) -> None:
    """Wait until the element says ``words``: after a click the page before may still be there."""
    until(chrome, lambda: words in wait(chrome, selector).text)


def ask(chrome: Chrome, line: str) -> WebElement:
    """Type a line, leave the suggestions, and wait for its answer."""
    from selenium.webdriver.common.keys import Keys

    bar = wait(chrome, "#line")
    bar.clear()
    bar.send_keys(line, Keys.ESCAPE, Keys.ENTER)
    return wait(chrome, ".answers article .buttons")


def completes_with_the_keyboard(url: str) -> None:
    from selenium.webdriver.common.keys import Keys

    with chromium(DESKTOP) as chrome:
        chrome.get(url)
        bar = wait(chrome, "#line")
        bar.send_keys("/k")
        wait(chrome, "#choices li")
        assert bar.get_attribute("aria-expanded") == "true"
        bar.send_keys(Keys.TAB, "lay")
        read(chrome, "#choices li", "layers:")
        bar.send_keys(Keys.TAB, "32 kv")
        read(chrome, "#choices li", "kv_dtype:")
        bar.send_keys(Keys.ARROW_DOWN)
        assert bar.get_attribute("aria-activedescendant") == "choice-0"
        bar.send_keys(Keys.ENTER)
        read(chrome, "#choices li", "fp16")
        bar.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
        until(chrome, lambda: bar.get_attribute("value") == "/kv layers:32 kv_dtype:fp8 ")
        bar.send_keys(Keys.ESCAPE, Keys.ENTER)
        read(chrome, ".answers article strong", "0.062 GiB")
        assert complaints(chrome) == []


def opens_and_reuses_an_answer(url: str) -> None:
    with chromium(DESKTOP) as chrome:
        chrome.get(url)
        ask(chrome, "/kv layers:32 input:2048")
        wait(chrome, "summary").click()
        read(chrome, ".inside", "8 KV heads of 128")
        wait(chrome, ".press button").click()
        read(chrome, ".answers article strong", "0.125 GiB")
        bar = wait(chrome, "#line")
        assert bar.get_attribute("value") == "/kv layers:32 input:2048 kv_dtype:fp8"
        bar.clear()
        wait(chrome, "[data-action=change]").click()
        assert bar.get_attribute("value") == "/kv layers:32 input:2048 kv_dtype:fp8"
        chrome.get(wait(chrome, "[data-action=share]").get_attribute("href") or "")
        wait(chrome, "[data-action=change]").click()
        bar = wait(chrome, "#line")
        until(chrome, lambda: chrome.switch_to.active_element == bar)
        assert bar.get_attribute("value") == "/kv layers:32 input:2048 kv_dtype:fp8"
        assert complaints(chrome) == []


def deletes_only_what_this_browser_made(url: str, other: str) -> None:
    with chromium(DESKTOP) as chrome:
        chrome.get(url)
        ask(chrome, "/kv layers:32")
        page = wait(chrome, "[data-action=share]").get_attribute("href")
        assert page is not None
        chrome.get(f"{url}/r/{other}")
        assert not chrome.find_elements("css selector", "[data-owner]:not([hidden])")
        chrome.get(page)
        wait(chrome, "[data-action=delete]").click()
        wait(chrome, "#bar")
        chrome.get(page)
        read(chrome, "h1", "was deleted")


def shows_hostile_words_as_words(url: str, line: str) -> None:
    with chromium(DESKTOP) as chrome:
        chrome.get(url)
        ask(chrome, line)
        read(chrome, ".answers article", "<img")
        chrome.get(wait(chrome, "[data-action=share]").get_attribute("href") or "")
        wait(chrome, ".again")
        assert chrome.execute_script("return window.hurt") is None
        assert complaints(chrome) == []


def fits_a_phone(url: str, answer: str) -> None:
    with chromium(PHONE) as chrome:
        for path in ("/", "/tools/kv", f"/r/{answer}", "/nowhere"):
            chrome.get(url + path)
            wait(chrome, "main")
            assert chrome.execute_script(OVERFLOWING) == [], path
        chrome.get(url)
        ask(chrome, "/echo words:" + "x" * 500)
        assert chrome.execute_script(OVERFLOWING) == []


def works_without_javascript(url: str) -> None:
    with chromium(DESKTOP, javascript=False) as chrome:
        chrome.get(url)
        bar = wait(chrome, "#line")
        bar.send_keys("/kv layers:32 input:2048")
        wait(chrome, "#bar button").click()
        read(chrome, ".answers article strong", "0.250 GiB")
        wait(chrome, "summary").click()
        read(chrome, ".inside", "8 KV heads of 128")
        chrome.get(wait(chrome, "[data-action=share]").get_attribute("href") or "")
        wait(chrome, ".press button").click()
        read(chrome, ".answers article strong", "0.125 GiB")
        assert "kv_dtype:fp8" in (wait(chrome, "#line").get_attribute("value") or "")


async def test_a_command_is_completed_and_run_with_the_keyboard_alone(pages: Pages) -> None:
    await asyncio.to_thread(completes_with_the_keyboard, pages.url)


async def test_assumptions_open_repairs_run_and_inputs_come_back(pages: Pages) -> None:
    await asyncio.to_thread(opens_and_reuses_an_answer, pages.url)


async def test_a_browser_deletes_its_own_answers_and_is_not_offered_others(pages: Pages) -> None:
    other = await pages.run("/kv layers:1", **{"X-Delete-Key": "o" * 32})
    await asyncio.to_thread(deletes_only_what_this_browser_made, pages.url, other["id"])


async def test_hostile_words_run_nothing(pages: Pages) -> None:
    line = '/echo words:<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
    await asyncio.to_thread(shows_hostile_words_as_words, pages.url, line)


async def test_nothing_is_wider_than_a_phone(pages: Pages) -> None:
    answer = await pages.run("/kv layers:32 model:" + "m" * 190)
    await asyncio.to_thread(fits_a_phone, pages.url, answer["id"])


async def test_everything_works_without_javascript(pages: Pages) -> None:
    await asyncio.to_thread(works_without_javascript, pages.url)
