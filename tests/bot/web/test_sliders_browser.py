"""Sliders in a real browser: dragged, typed, with keys, on a phone, without JavaScript."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.commands.cost import COMMAND as COST
from tests.bot.web import conftest
from tests.bot.web.chromium import DESKTOP, PHONE, chromium, complaints
from tests.bot.web.conftest import Pages, Serve
from tests.bot.web.test_browser import OVERFLOWING, read, until, wait
from tests.bot.web.test_forms import kept

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PREVIEW = "article.preview"
WATCH_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => list.getEntries().forEach((e) => (window.shifts += e.value)))
  .observe({ type: "layout-shift", buffered: true });
"""
DRAG = """
const slider = document.querySelector("input.slider");
slider.value = arguments[0];
slider.dispatchEvent(new Event("input", { bubbles: true }));
"""
TRACE = "timestamp,input,output\n" + "\n".join(f"{n * 60},{900 + n % 7},100" for n in range(1500))


def value(chrome: Chrome, selector: str) -> str:
    found: str = chrome.execute_script(
        "return document.querySelector(arguments[0]).value", selector
    )
    return found


def recomputes(url: str) -> None:
    from selenium.webdriver.common.keys import Keys

    with chromium(DESKTOP) as chrome:
        chrome.get(f"{url}/tools/kv?layers=32")
        read(chrome, f"{PREVIEW} strong", "0.125 GiB")  # without a press
        slider = wait(chrome, "input.slider")
        before = slider.get_attribute("aria-valuetext")
        slider.send_keys(Keys.ARROW_RIGHT * 20)
        until(chrome, lambda: value(chrome, "#o-input") not in ("", "1024"))
        assert slider.get_attribute("aria-valuetext") != before
        until(chrome, lambda: "0.125 GiB" not in wait(chrome, f"{PREVIEW} strong").text)
        field = wait(chrome, "#o-input")
        field.clear()
        field.send_keys("2048")
        read(chrome, f"{PREVIEW} strong", "0.250 GiB")
        assert value(chrome, "input.slider") != "120"  # the slider follows what is typed
        assert "0.250 GiB" in (wait(chrome, "#headline").get_attribute("textContent") or "")
        until(chrome, lambda: "input=2048" in chrome.current_url)
        wait(chrome, f"{PREVIEW} summary").click()
        read(chrome, ".inside", "8 KV heads")
        wait(chrome, f"{PREVIEW} [data-changes]").click()
        read(chrome, f"{PREVIEW} strong", "0.125 GiB")
        assert value(chrome, "#o-kv_dtype") == "fp8"
        assert wait(chrome, f"{PREVIEW} details").get_attribute("open")  # stays open
        assert len(chrome.find_elements("css selector", "article")) == 1
        assert complaints(chrome) == []


def keeps(url: str) -> str:
    with chromium(DESKTOP) as chrome:
        chrome.get(f"{url}/tools/kv?layers=32&input=2048")
        read(chrome, f"{PREVIEW} strong", "0.250 GiB")
        wait(chrome, ".run button").click()
        page = wait(chrome, "article:not(.preview) [data-action=share]").get_attribute("href")
        assert not chrome.find_elements("css selector", PREVIEW)
        assert complaints(chrome) == []
        return page or ""


def stays_put(url: str) -> None:
    with chromium(PHONE) as chrome:
        chrome.get(f"{url}/tools/kv?layers=32")
        wait(chrome, PREVIEW)
        assert chrome.execute_script(OVERFLOWING) == []
        chrome.execute_script(WATCH_SHIFTS)
        for place in (20, 90, 160, 230):
            chrome.execute_script(DRAG, place)
            until(chrome, lambda: f"input={value(chrome, '#o-input')}" in chrome.current_url)
        headline = wait(chrome, "#headline")
        assert "GiB" in headline.text  # the answer is below, its first line is in sight
        assert chrome.execute_script("return window.shifts") == 0
        assert chrome.execute_script(OVERFLOWING) == []
        assert complaints(chrome) == []


def pictured(url: str, scheme: str) -> str:
    """The address of the picture shown on a light or a dark page."""
    with chromium(DESKTOP) as chrome:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        chrome.get(f"{url}/tools/kv?layers=32")
        wait(chrome, f"{PREVIEW} img")
        script = f"return document.querySelector('{PREVIEW} img').currentSrc"
        until(chrome, lambda: bool(chrome.execute_script(script)))
        shown: str = chrome.execute_script(script)
        return shown


def works_without_javascript(url: str) -> None:
    with chromium(DESKTOP, javascript=False) as chrome:
        chrome.get(f"{url}/tools/kv?layers=32&input=2048")
        assert not chrome.find_element("css selector", "input.slider").is_displayed()
        wait(chrome, ".run button").click()
        read(chrome, ".answers article strong", "0.250 GiB")
        assert value(chrome, "#o-input") == "2048"


def takes_a_file(url: str, trace: Path, huge: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    with chromium(DESKTOP) as chrome:
        chrome.get(f"{url}/tools/cost?model=openai/gpt-oss-120b&gpu=h100")
        read(chrome, f"{PREVIEW} .facts", "1.92")  # the published profile's peak
        wait(chrome, ".others summary").send_keys(Keys.ENTER)
        chooser = wait(chrome, "input.upload")
        chooser.send_keys(str(huge))
        read(chrome, "#d-trace_csv", "huge.csv is 292 KiB; at most 192 KiB")
        chooser.send_keys(str(trace))
        read(chrome, f"{PREVIEW} .facts", "1,441 a day")
        assert "trace_csv" not in chrome.current_url
        wait(chrome, ".run button").click()
        wait(chrome, "article:not(.preview) [data-action=share]")
        assert complaints(chrome) == []


async def test_dragging_typing_and_repairing_recompute_at_once(pages: Pages) -> None:
    await asyncio.to_thread(recomputes, pages.url)
    assert await kept(pages) == 0


async def test_run_and_keep_replaces_the_preview_by_a_kept_answer(pages: Pages) -> None:
    page = await asyncio.to_thread(keeps, pages.url)
    assert "0.250 GiB" in await pages.page(page.removeprefix(pages.url))
    assert await kept(pages) == 1


async def test_on_a_phone_nothing_moves_but_the_numbers(pages: Pages) -> None:
    await asyncio.to_thread(stays_put, pages.url)


async def test_the_picture_is_that_of_the_visitors_colours(pages: Pages) -> None:
    light = await asyncio.to_thread(pictured, pages.url, "light")
    assert light.endswith("?theme=light") and set(pages.charts.themes) == {"light"}
    dark = await asyncio.to_thread(pictured, pages.url, "dark")
    assert dark.endswith(".png") and set(pages.charts.themes) == {"light", "dark"}


async def test_without_javascript_the_form_has_no_sliders_and_works(pages: Pages) -> None:
    await asyncio.to_thread(works_without_javascript, pages.url)


async def test_a_csv_is_read_in_the_browser_and_not_kept(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(conftest, "COMMANDS", {"cost": COST})
    pages = await serve()
    trace, huge = tmp_path / "mine.csv", tmp_path / "huge.csv"
    trace.write_text(TRACE, encoding="utf-8")
    huge.write_text("x" * 300_000, encoding="utf-8")
    await asyncio.to_thread(takes_a_file, pages.url, trace, huge)
    rows = await pages.store.read(lambda db: list(db.query("SELECT * FROM results")))
    assert len(rows) == 1 and "903,100" not in str(rows)
