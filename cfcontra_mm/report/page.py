"""An HTML page in one file: its pictures, style and script are inside it."""

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
"""Of figures, in dots per inch."""
# The browser asks a server for an icon unless the page names one.
NO_ICON = '<link rel="icon" href="data:,">'


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        name: Its heading.
        body: HTML; an empty one leaves the section out.
    """

    name: str
    body: str

    @property
    def anchor(self) -> str:
        return self.name.lower().replace(' ', '-')


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        title: Heading, plain text.
        lead: HTML below it.
        sections: Parts, with a table of contents above them.
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
    """Plain text, a paragraph a line."""
    return ''.join(f'<p>{escape(line)}</p>' for line in text.splitlines())


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], name: str) -> str:
    """A table whose first column names its rows; it scrolls by itself if it is wide.

    Args:
        headings: Plain text.
        rows: Cells, plain text.
        name: What the table holds, for those who hear the page.
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
    """A part that opens on a click."""
    state = ' open' if is_open else ''
    return f'<details{state}><summary>{escape(summary)}</summary>{body}</details>'


def figure(content: Figure, alt: str) -> str:
    """A figure inside the page; it scrolls by itself where it would be too small.

    Args:
        content: The figure.
        alt: What it shows in words.
    """
    stream = io.BytesIO()
    content.savefig(stream, dpi=RESOLUTION)
    return (
        f'<div class="wide" role="region" aria-label="{escape(alt)}" tabindex="0">'
        f'{_embed(stream, alt)}</div>'
    )


def picture(content: Image.Image, alt: str) -> str:
    """A picture inside the page.

    Args:
        content: The picture.
        alt: What it shows in words.
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
