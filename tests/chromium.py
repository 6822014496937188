"""A headless Chromium that tests talk to, over its debugging protocol; skips aloud where there is none."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60.0
"""Seconds that Chromium gets to start, and to answer."""


class Browser:
    """One tab.

    Attributes
    ----------
    complaints : list of str
        What the console says since the last page was opened: errors, warnings, and what was not loaded.
    """

    def __init__(self, address: str) -> None:
        from tornado.websocket import websocket_connect

        self._loop = asyncio.new_event_loop()
        self._socket = self._wait(websocket_connect, address, max_message_size=2**28)
        self._number = 0
        self.complaints: list[str] = []
        self._events: set[str] = set()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _wait(self, call: Any, *arguments: Any, **options: Any) -> Any:
        async def within() -> Any:
            return await asyncio.wait_for(call(*arguments, **options), PATIENCE)

        return self._loop.run_until_complete(within())

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._wait(self._socket.write_message, json.dumps(message))
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        answer = json.loads(self._wait(self._socket.read_message))
        method, told = answer.get("method", ""), answer.get("params", {})
        self._events.add(method)
        if method == "Runtime.exceptionThrown" or (
            method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert")
        ):
            self.complaints.append(json.dumps(told)[:400])
        if method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])
        if method == "Network.loadingFailed":
            self.complaints.append(f"not loaded: {told['errorText']}")
        return answer

    def open(self, page: Path, width: int, dark: bool = False) -> None:
        """Show a page in a window of so many pixels, and wait until it is there."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", media="", features=scheme)
        self.call("Emulation.setScrollbarsHidden", hidden=True)  # as on a telephone
        self.complaints, self._events = [], set()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while "Page.loadEventFired" not in self._events:
            self._next()

    def evaluate(self, script: str) -> Any:
        """Return what a script says of the page, as JSON has it."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        size = self.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(found["data"])

    def print(self) -> bytes:
        """Return the page as PDF, A4."""
        found = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(found["data"])


def chromium() -> str:
    """Return the command, or skip."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(NAMES)} (Debian: apt-get install chromium)")
    return found


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a Chromium with a profile of its own, and end it."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    command = [chromium(), *options, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        tab = Browser(_address(profile / "DevToolsActivePort", process))
        try:
            yield tab
        finally:
            tab.close()
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(file: Path, process: subprocess.Popen) -> str:
    """Return the address of the first tab."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if file.is_file() and (port := file.read_text().split("\n")[0]):
            with urlopen(f"http://127.0.0.1:{port}/json") as answer:
                tabs = [one for one in json.load(answer) if one["type"] == "page"]
            if tabs:
                return tabs[0]["webSocketDebuggerUrl"]
        time.sleep(0.1)
    pytest.fail(f"Chromium did not start within {PATIENCE:g} s")
