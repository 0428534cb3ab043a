"""The documentation as a site: built without warnings, no broken link, nothing loaded from another server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import script

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "-f",
        REPOSITORY / "mkdocs.yml",
        "-d",
        folder,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def gallery():
    return script("gallery.py")


def test_every_page_is_there_and_every_link_leads_somewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert {page.stem for page in (REPOSITORY / "docs").glob("*.md")} <= {page.stem for page in pages}
    broken = []
    for page in pages:
        if page.parent.name == "gallery" or page.name == "404.html":  # a report; a page with absolute links
            continue
        links = re.findall(r'(?:href|src)="([^"#?:]+)(?:#[^"]*)?"', page.read_text())
        broken += [f"{page.relative_to(site)}: {link}" for link in links if not (page.parent / link).exists()]
    assert broken == []


def test_a_page_loads_nothing_from_another_server(site):
    for page in sorted(site.glob("*.html")):
        loaded = re.findall(
            r'<(?:script|img)[^>]*src="(https?:[^"]+)"|<link[^>]*href="(https?:[^"]+)"', page.read_text()
        )
        assert loaded == [], page.name


def test_files_outside_docs_are_part_of_the_site(site):
    page = (site / "studies.html").read_text()
    assert 'href="repository/benchmarks/reproduce.py"' in page
    assert (site / "repository" / "benchmarks" / "reproduce.py").is_file()
    assert 'href="../../tracking.html"' in (site / "repository" / "docker" / "index.html").read_text()


def test_the_gallery_is_made_by_the_commands_of_its_page(gallery, tmp_path, monkeypatch):
    page = "# Two\n\n```sh\necho '<p>1' > made.html\n```\n\nstudy\n\n```sh\ntest -d docs && test -f made.html\n```\n"
    assert [report.read_text() for report in gallery.make(page, tmp_path / "gallery")] == ["<p>1\n"]
    with pytest.raises(subprocess.CalledProcessError):
        gallery.make("```sh\nfalse\ntrue\n```\n", tmp_path / "gallery")
    monkeypatch.setattr(gallery, "REPORTS", tmp_path / "gallery")
    block = "```sh\nstudy report made -o made.html\n```"
    assert gallery.with_reports(block) == f"{block}\n\n[Open the report](gallery/made.html)"
    unmade = block.replace("made.html", "unmade.html")
    assert gallery.with_reports(unmade) == unmade
