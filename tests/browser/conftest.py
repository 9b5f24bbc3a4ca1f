"""Headless Chromium for the tests of the report's page, one for all of them, and the pages as files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import reports
from xtl.report.page import page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Selenium driver. Skips loudly where there is no Chromium."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("NOT RUN: needs Chromium: apt-get install -y chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


class Opened:
    """A page as a reader has it before them."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def go(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.driver.get_log("performance")  # what was before is forgotten
        self.driver.get_log("browser")
        self.driver.get(path.as_uri())

    def command(self, name: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def console(self) -> list[dict[str, Any]]:
        return list(self.driver.get_log("browser"))

    def requests(self) -> list[str]:
        """Every address asked for since `go`."""
        events = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]

    def tables(self) -> dict[str, list[list[str]]]:
        """Every table of the page by its caption, everything unfolded: the cells of its body as they are shown, without
        what stands small beside a figure. A table that takes no room is not there for a reader, and is left out."""
        return self.run(
            "for (const one of document.querySelectorAll('details')) one.open = true;"
            "const bare = cell => { const copy = cell.cloneNode(true);"
            " copy.querySelectorAll('small, .vh').forEach(one => one.remove());"
            " return copy.textContent.replace(/\\s+/g, ' ').trim(); };"
            "return Object.fromEntries([...document.querySelectorAll('table')].filter(one => one.offsetHeight > 0)"
            ".map(one => [one.caption.textContent, [...one.tBodies[0].rows].map(row => [...row.cells].map(bare))]))"
        )

    def table(self, selector: str) -> list[list[str]]:
        """The texts of the rows that are shown, in their order."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0] + ' tbody tr:not([hidden])')]"
            ".map(row => [...row.cells].map(cell => cell.innerText.split('\\n')[0].trim()))",
            selector,
        )


@pytest.fixture
def opened(chromium: Any) -> Opened:
    return Opened(chromium)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The fixed study's report and its page, where it lies in a store."""
    report = reports.report()
    path = tmp_path_factory.mktemp("store") / "grids" / "fixed" / "report.html"
    path.parent.mkdir(parents=True)
    path.write_text(page(report), encoding="utf-8")
    return report, path
