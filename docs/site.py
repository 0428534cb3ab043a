"""Hooks of mkdocs: files of the repository that pages link to become part of the site, and so do the gallery's reports.

On GitHub `../studies/init.py` leads to that file. The site has it as `repository/studies/init.py`.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))
import gallery

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[1]
OUTSIDE = "repository"  # the site's folder for files outside docs/
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/ that pages link to, and those that these link to."""
    waiting = [file for file in files if file.is_documentation_page()]
    while waiting:
        page = waiting.pop()
        for _, target, _ in LINK.findall(page.content_string):
            place = _in_repository(page.src_uri, target)
            path = REPOSITORY / place
            if place.startswith("docs/") or not path.is_file() or files.get_file_from_path(f"{OUTSIDE}/{place}"):
                continue
            added = File.generated(config, f"{OUTSIDE}/{place}", abs_src_path=str(path))
            files.append(added)
            if added.is_documentation_page():
                waiting.append(added)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the site's copies; a link to a folder of the repository is left as its text."""
    del config, files  # mkdocs gives them by name
    here = posixpath.dirname(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        place = _in_repository(page.file.src_uri, target)
        if (REPOSITORY / place).is_dir():
            return text
        if not (REPOSITORY / place).is_file():
            return link[0]  # mkdocs says so
        site = place.removeprefix("docs/") if place.startswith("docs/") else f"{OUTSIDE}/{place}"
        return f"[{text}]({posixpath.relpath(site, here or '.')}{anchor})"

    moved_all = LINK.sub(moved, markdown)
    return gallery.with_reports(moved_all) if page.file.src_uri == "gallery.md" else moved_all


def _in_repository(page: str, target: str) -> str:
    """Give the path in the repository that a link of a page of the site is meant to lead to."""
    source = page.removeprefix(f"{OUTSIDE}/") if page.startswith(f"{OUTSIDE}/") else f"docs/{page}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
