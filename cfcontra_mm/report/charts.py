"""Bar charts in plain HTML, with the number beside each bar."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from html import escape


def bars(
    values: Mapping[str, float],
    limit: float,
    unit: str,
    signed: bool = False,
    muted: Collection[str] = (),
) -> str:
    """Draw one bar per value, from the left, or from the middle if signed.

    Args:
        values: Numbers by their labels; NaN has no bar.
        limit: Number that corresponds to the full length.
        unit: Description of the numbers, for screen readers.
        signed: Whether numbers may be negative.
        muted: Labels whose bars are drawn in a muted colour.
    """
    rows = ''.join(
        f'<tr><th scope="row">{escape(label)}</th>'
        f'<td class="number">{_number(value, signed)}</td>'
        f'<td class="track{" signed" if signed else ""}">'
        f'{_bar(value, limit, label in muted)}</td></tr>'
        for label, value in values.items()
    )
    return f'<table class="bars" aria-label="{escape(unit)}">{rows}</table>'


def _number(value: float, signed: bool) -> str:
    if math.isnan(value):
        return 'nan'
    return f'{value:+.1f}' if signed else f'{value:.1f}'


def _bar(value: float, limit: float, muted: bool) -> str:
    if math.isnan(value) or not limit:
        return ''
    kind = ('loss' if value < 0 else 'gain') + (' muted' if muted else '')
    return f'<i class="{kind}" style="--share:{min(abs(value) / limit, 1):.4f}"></i>'
