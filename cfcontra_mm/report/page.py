"""An HTML page in a single file, with images, style and script embedded."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from matplotlib.figure import Figure
from PIL import Image

RESOLUTION = 110
"""Resolution of figures in dots per inch."""
# A browser requests an icon from the server unless the page names one.
NO_ICON = '<link rel="icon" href="data:,">'


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Args:
        name: Heading.
        body: HTML; a section without a body is left out.
    """

    name: str
    body: str

    @property
    def anchor(self) -> str:
        return self.name.lower().replace(' ', '-')


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Build the page, with a table of contents.

    Args:
        title: Heading, plain text.
        lead: HTML below the heading.
        sections: Sections of the page.
    """
    shown = [section for section in sections if section.body]
    entries = (f'<a href="#{s.anchor}">{escape(s.name)}</a>' for s in shown)
    parts = (
        f'<section id="{s.anchor}">\n<h2>{escape(s.name)}</h2>\n{s.body}\n</section>'
        for s in shown
    )
    return '\n'.join(
        [
            '<!doctype html>',
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            NO_ICON,
            f'<title>{escape(title)}</title>',
            f'<style>\n{_asset("report.css")}</style>',
            f'<header>\n<h1>{escape(title)}</h1>\n{lead}\n</header>',
            f'<nav aria-label="Contents">{" ".join(entries)}</nav>',
            f'<main>\n{"".join(parts)}\n</main>',
            f'<script>\n{_asset("report.js")}</script>',
            '</html>\n',
        ]
    )


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding='utf-8')


def paragraphs(text: str) -> str:
    """Format plain text as paragraphs, one per line."""
    return ''.join(f'<p>{escape(line)}</p>' for line in text.splitlines())


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], name: str) -> str:
    """Build a table whose first column names its rows; a wide one scrolls sideways.

    Args:
        headings: Headings, plain text.
        rows: Cells, plain text.
        name: Description of the table, for screen readers.
    """
    head = ''.join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = ''.join(_table_row(row) for row in rows)
    return (
        f'<div class="wide" role="region" aria-label="{escape(name)}" tabindex="0">'
        f'<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _table_row(row: Sequence[str]) -> str:
    first, *others = map(escape, row)
    cells = ''.join(f'<td>{cell}</td>' for cell in others)
    return f'<tr><th scope="row">{first}</th>{cells}</tr>'


def details(summary: str, body: str, is_open: bool = False) -> str:
    """Build a part that opens on a click."""
    state = ' open' if is_open else ''
    return f'<details{state}><summary>{escape(summary)}</summary>{body}</details>'


def figure(content: Figure, alt: str) -> str:
    """Embed a figure in the page; it scrolls sideways instead of being shrunk.

    Args:
        content: The figure.
        alt: Description of the figure in words.
    """
    stream = io.BytesIO()
    content.savefig(stream, dpi=RESOLUTION)
    return (
        f'<div class="wide" role="region" aria-label="{escape(alt)}" tabindex="0">'
        f'{_embed(stream, alt)}</div>'
    )


def image(content: Image.Image, alt: str) -> str:
    """Embed an image in the page.

    Args:
        content: The image.
        alt: Description of the image in words.
    """
    stream = io.BytesIO()
    content.save(stream, 'PNG', optimize=True)
    return _embed(stream, alt)


def _embed(png: io.BytesIO, alt: str) -> str:
    data = base64.b64encode(png.getvalue()).decode()
    width, height = Image.open(png).size
    return (
        f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}">'
    )
