"""Write the report of a study as one self-contained HTML file, and as Markdown with pictures beside it."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

from study.environment import DISTRIBUTION
from study.formatting import local_moment
from study.record import atomic_files
from study.report import answers, charts, comparisons, following, found, inspection, reproduction
from study.report.parts import Gallery, Section, Table
from study.schemas.studies import Report
from study.text import studies as words
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from study.report.found import Found
    from study.report.parts import Picture
    from study.settings import Settings
    from study.text.table import Block


@dataclass(frozen=True, slots=True)
class Written(Shown):
    """The files of a report.

    Args:
        study: name of the study.
        html: the page; None if only Markdown was asked for.
        markdown: the same as Markdown; None if only the page was.
        pictures: beside the Markdown.
        bytes: size of the page, else of the Markdown.

    """

    study: str
    html: Path | None
    markdown: Path | None
    pictures: Sequence[Path]
    bytes: int

    def record(self) -> Report:
        """Describe the files in plain values."""
        return Report(
            study=self.study,
            html=str(self.html) if self.html else None,
            markdown=str(self.markdown) if self.markdown else None,
            pictures=[str(path) for path in self.pictures],
            bytes=self.bytes,
        )

    def blocks(self) -> list[Block]:
        """Write the path of the page, else of the Markdown."""
        return words.report(self.record())


def write(name: str, settings: Settings, output: Path | None = None) -> Written:
    """Read a study's folders and write its report.

    Args:
        name: of the study.
        settings: where its folders are.
        output: a file that ends in .html or .md, or a folder for both; None is the study's artifacts folder.

    Raises:
        StudyError: the study has no stored definition, or a file of its folders is damaged.
        PlaceError: the report cannot be written.

    """
    known = found.read(name, settings)
    contents = sections(known)
    path = output or known.journal.artifacts
    html, markdown = (path / "report.html", path / "report.md")
    if path.suffix in {".html", ".htm", ".md"} and not path.is_dir():
        html, markdown = (None, path) if path.suffix == ".md" else (path, None)
    content: dict[Path, bytes] = {}
    if html:
        content[html] = page(known, contents).encode(errors="backslashreplace")
    if markdown:
        content[markdown] = as_markdown(known, contents, markdown.stem).encode(errors="backslashreplace")
        content |= {markdown.with_name(f"{markdown.stem}-{each.name}.{each.kind}"): each.content
                    for each in _pictures(contents)}  # fmt: skip
    for file, each in content.items():
        _put(file, each)
    main = html or markdown
    assert main is not None
    pictures = [file for file in content if file not in {html, markdown}]
    return Written(name, html, markdown, pictures, len(content[main]))


def _put(path: Path, content: bytes) -> None:
    fix = "Choose another --output."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic_files.cannot_write(path, error, fix) from error
    atomic_files.replace(path, [content], fix)


def sections(known: Found) -> list[Section]:
    """Make all sections, in the order of the page."""
    winner = found.winner(known)
    made = [
        answers.answer(known, charts.history(known)),
        *([] if known.trials else [comparisons.variants(known)]),  # there, its table is the chart
        answers.question(known),
        following.section(known),
        answers.confirmed(known),
        *([comparisons.variants(known)] if known.trials else []),
        comparisons.ablation(known),
        comparisons.importance(known),
        *charts.sections(known),
        answers.remarks(known),
        answers.looks(known),
        *inspection.sections(known, winner),
        *reproduction.sections(known, winner),
    ]
    return [section for section in made if section is not None]


def page(known: Found, contents: Sequence[Section]) -> str:
    """Write the report as HTML."""
    template = _templates().get_template("page.html.j2")
    plotly = _plotly() if any(section.interactive for section in contents) else ""
    files = {"style": _file("style.css"), "script": _file("page.js"), "charts": _file("charts.js")}
    return template.render(known=known, sections=contents, made=_made(known), plotly=plotly, **files)


def as_markdown(known: Found, contents: Sequence[Section], stem: str) -> str:
    """Write the report as Markdown; the names of its pictures begin with `stem`."""
    text = _templates().get_template("page.md.j2").render(known=known, sections=contents, stem=stem, made=_made(known))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _pictures(contents: Sequence[Section]) -> Iterator[Picture]:
    """Yield the pictures of the Markdown."""
    for section in contents:
        for part in section.parts:
            if isinstance(part, Gallery):
                yield part.sheet
            elif isinstance(part, Table) and part.picture:
                yield part.picture


def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("study.report"),
        autoescape=jinja2.select_autoescape(["html.j2"], default_for_string=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "inline": _inline,
        "cell": _cell,
        "kind": _kind,
        "what": lambda part: type(part).__name__,
        "data_uri": _data_uri,
        "json": _json,
    }
    return made


def _file(name: str) -> Markup:
    """Read one of our own files that is copied into the page unchanged."""
    return Markup((files("study.report") / "templates" / name).read_text(encoding="utf-8"))  # noqa: S704 - our own


def _made(known: Found) -> str:
    """Write the time of the last result; not the current time, so that the same results give the same report."""
    at = f", as of {local_moment(known.as_of)}" if known.as_of else ""
    return f"Report of a study{at}; study {version(DISTRIBUTION)}"


def _plotly() -> str:
    """Return plotly.js 3.7.0, its basic bundle (a quarter of all), compressed to a third; the page decompresses it."""
    program = (files("study.report") / "templates" / "plotly-basic.min.js").read_bytes()
    return base64.b64encode(gzip.compress(program, 9, mtime=0)).decode()


def _inline(text: str) -> Markup:
    """Turn text between backticks into code, and escape everything else."""
    line, _, below = text.partition("\n")
    written = f"{escape(line)}<br><small>{escape(below)}</small>" if below else str(escape(line))
    written = re.sub(r"`(study [^`]+)`", r'<code class="command">\1</code>', written)  # never broken across lines
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", written))  # noqa: S704 - escaped before


def _kind(head: str) -> Markup:
    """Return the class attribute of a column's cells."""
    return Markup({">": ' class="number"', "~": ' class="words"'}.get(head[:1], ""))  # noqa: S704 - our own


def _json(text: str) -> Markup:
    """Escape JSON for a script element."""
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - nothing in it can end the element


def _cell(text: str) -> str:
    """Escape text for a Markdown table or paragraph."""
    code = "`" in text
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    return "<br>".join(re.sub(r"([|])" if code else r"([\\|*<])", r"\\\1", line) for line in lines)


def _data_uri(picture: Picture) -> str:
    return f"data:image/{picture.kind};base64,{base64.b64encode(picture.content).decode()}"
