"""Every page in Debian's chromium: axe finds nothing serious, the console is silent, nothing is wider than the screen.

At the width of a desk and of a phone, light and dark. Skipped where there is no chromium.
"""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.service.conftest import CHROMIUM, PASSWORD
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]
PAGES = (
    "/", "/queue", "/studies", "/studies/made", "/studies/made/trials/2", "/compare?trial=made:1&trial=made:2",
    "/compare?study=made", "/models", "/machines", "/start", "/people", "/me",
)  # fmt: skip
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
SERIOUS = {"serious", "critical"}


@pytest.fixture
def browser():
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


def looked_at(page, path, troubles):
    """Look at a page in each size and in both colours; write down what is wrong."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours)
            where = f"{path}, {size}, {colours}"
            found = Axe().run(page).response["violations"]
            troubles += [
                f"{where}: {each['id']}: {each['nodes'][0]['html'][:120]}"
                for each in found
                if each["impact"] in SERIOUS
            ]
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wider > 0:
            troubles.append(f"{path}, {size}: {wider} pixels wider than the screen")
        if path in {"/", "/queue"} and page.locator(".scroll.wider").count():
            troubles.append(f"{path}, {size}: a table is wider than the screen, its last columns are out of sight")


LONG = f"made@{'a_rather_long_name_that_says_everything_' * 3}"
SUBMIT = "asked => fetch('/api/v1/runs', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: asked})"


def queue_long_names(page, serving):
    """One run that has failed by now, and one that waits for those before it."""
    for asked in ({"study": LONG, "trials": 1}, {"study": LONG, "trials": 1}, {"study": f"{LONG}s", "trials": 1}):
        page.evaluate(f"{SUBMIT}.then(answer => answer.ok || Promise.reject(answer.status))", json.dumps(asked))
    page.goto(serving.address)
    page.get_by_role("cell", name="failed").first.wait_for()


def test_every_page_can_be_read_by_everybody_on_every_screen(made, serving, browser):
    troubles, page = [], browser.new_page()
    page.on("console", lambda message: troubles.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: troubles.append(f"{page.url}: {error}"))
    page.goto(re.search(r"http\S+/invitation/\S+", serving.said).group())
    looked_at(page, "/invitation", troubles)
    for key in ("ann", "Tab", PASSWORD, "Enter"):  # without a mouse
        page.keyboard.press(key) if key in {"Tab", "Enter"} else page.keyboard.type(key)
    page.wait_for_url(f"{serving.address}/")
    page.goto(f"{serving.address}/people")
    page.get_by_label("Name of a new group").fill("team")
    page.keyboard.press("Enter")
    page.get_by_role("rowheader", name="team").wait_for()
    queue_long_names(page, serving)
    for path in PAGES:
        page.goto(serving.address + path)
        page.wait_for_load_state("networkidle") if path == "/models" else None
        looked_at(page, path, troubles)
    page.goto(f"{serving.address}/start?study=mnist_cnn")
    page.get_by_label("Trials (of a run)").fill("1")
    page.get_by_label("Trials at a time").fill("0")
    page.get_by_text("greater than or equal to 1").wait_for()
    looked_at(page, "/start with a mistake", troubles)
    page.goto(f"{serving.address}/me")
    page.get_by_role("button", name="Log out", exact=True).click()
    page.wait_for_url(f"{serving.address}/login")
    looked_at(page, "/login", troubles)
    assert troubles == []


def test_both_neighbours_show_their_pages_under_our_policy(made, serving, browser):
    """No complaint of the policy's is in the console, whatever else these programs say there."""
    said, page = [], browser.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.goto(re.search(r"http\S+/invitation/\S+", serving.said).group())
    page.get_by_label("Name").fill("ann")
    page.get_by_label(re.compile("assword")).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{serving.address}/")
    page.goto(f"{serving.address}/optuna")
    page.get_by_text("Optuna Dashboard").first.wait_for(timeout=60_000)
    page.goto(f"{serving.address}/mlflow/")
    page.get_by_text("Experiments").first.wait_for(timeout=90_000)
    until(lambda: page.evaluate("document.readyState") == "complete")
    assert [text for text in said if "Content Security Policy" in text or "Content-Security-Policy" in text] == []
