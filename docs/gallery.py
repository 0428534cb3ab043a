"""Make the reports of docs/gallery.md by its own commands: `uv run python docs/gallery.py`, then build the site.

They are results, so they are not committed: they are written to docs/gallery/, which Git ignores and the site includes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
REPORTS = DOCS / "gallery"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REPORT = re.compile(r"^study report .* -o (\S+\.html)$", re.MULTILINE)


def make(page: str, folder: Path) -> list[Path]:
    """Run the shell blocks of a page in a temporary folder, and keep the HTML files that they write.

    Args:
        page: Markdown.
        folder: of the files, made if missing.

    Raises:
        subprocess.CalledProcessError: a command failed.

    """
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        Path(work, "docs").symlink_to(DOCS)
        for block in SHELL.findall(page):
            subprocess.run(["bash", "-e", "-c", block], cwd=work, check=True)  # noqa: S603, S607 - the page is ours
        return [Path(shutil.move(each, folder / each.name)) for each in sorted(Path(work).glob("*.html"))]


def with_reports(page: str) -> str:
    """Put a link below each block whose report was made."""

    def linked(block: re.Match[str]) -> str:
        made = [name for name in REPORT.findall(block[1]) if (REPORTS / name).is_file()]
        return "\n\n".join([block[0], *(f"[Open the report](gallery/{name})" for name in made)])

    return SHELL.sub(linked, page)


if __name__ == "__main__":
    for report in make((DOCS / "gallery.md").read_text(), REPORTS):
        print(report)
