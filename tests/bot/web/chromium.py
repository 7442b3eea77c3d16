"""A real Chromium for the browser tests, driven through its own chromedriver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.needs import require_or_skip

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PHONE = (360, 740)
DESKTOP = (1280, 900)
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # inside a container there is none to be had
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",  # no click while the page still glides
)


@contextmanager
def chromium(size: tuple[int, int], *, javascript: bool = True) -> Iterator[Chrome]:
    """A fresh browser with a window of exactly ``size`` CSS pixels; it logs to its own folder."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        require_or_skip("Chromium is missing: apt-get install chromium chromium-driver")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = browser
    for argument in ARGUMENTS:
        options.add_argument(argument)
    if not javascript:
        setting = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", setting)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        resize(chrome, size)
        yield chrome
    finally:
        chrome.quit()


def resize(chrome: Chrome, size: tuple[int, int]) -> None:
    """Set the viewport; a window as such cannot be narrower than 500 pixels."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": True}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def complaints(chrome: Chrome) -> list[str]:
    """What the browser wrote to its console: errors of scripts, blocked by the policy, missing."""
    entries: list[dict[str, str]] = chrome.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries]
