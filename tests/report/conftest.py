"""A real browser without a window, driven over a pipe by its own protocol; no package is needed for it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
COMPLAINTS = ("Runtime.exceptionThrown", "Log.entryAdded")
PATIENCE = 60.0  # seconds


class Browser:
    """Chromium with one page; everything that its console says is kept."""

    def __init__(self, program, folder):
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()
        command = [program, *ARGUMENTS, f"--user-data-dir={folder}", "about:blank"]
        # Chromium reads commands from descriptor 3 and answers on 4.
        shell = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *command], pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._rest, self._number, self.console = b"", 0, []
        target = self._page()
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def _page(self):
        """Find the page among the targets: the browser's own windows are some, too."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for each in self.ask("Target.getTargets")["targetInfos"]:
                if each["type"] == "page" and each["url"] == "about:blank":
                    return each["targetId"]
            time.sleep(0.05)
        raise AssertionError("the browser has no page")

    def _next(self):
        while b"\0" not in self._rest:
            more = os.read(self._from, 1 << 20)
            assert more, "the browser has ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def ask(self, method, **parameters):
        """Give a command and wait for its answer; what the console says meanwhile is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "result" in answer, answer
                return answer["result"]
            if answer.get("method") in COMPLAINTS or answer.get("method") == "Runtime.consoleAPICalled":
                self.console.append(json.dumps(answer["params"])[:2000])

    def run(self, expression):
        """Evaluate JavaScript on the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, path, width=1280, height=900, *, dark=False):
        """Open a file at a width, and wait until its charts are drawn."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=path.absolute().as_uri())
        ready = (
            "location.protocol === 'file:' && document.readyState === 'complete' && "
            "(!document.getElementById('charts') || Boolean(document.documentElement.dataset.drawn))"
        )
        deadline = time.monotonic() + PATIENCE
        while not self.run(ready):
            assert time.monotonic() < deadline, self.console
            time.sleep(0.05)

    def picture(self, path):
        """Take a picture of the whole page."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def printed(self):
        """Print the page to PDF."""
        return base64.b64decode(self.ask("Page.printToPDF", printBackground=True)["data"])

    def close(self):
        """End the browser."""
        with contextlib.suppress(AssertionError, OSError):
            del self._session
            self.ask("Browser.close")
        self.process.wait(PATIENCE)
        os.close(self._to)
        os.close(self._from)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Chromium, or skip where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here")
    started = Browser(program, tmp_path_factory.mktemp("browser"))
    yield started
    started.close()
