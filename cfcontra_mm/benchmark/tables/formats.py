"""The lines of a table as text, in Markdown, in LaTeX and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prettytable import PrettyTable, TableStyle

from cfcontra_mm.benchmark.results.results_file import read_results
from cfcontra_mm.benchmark.study import Column, Study

from .statistics import Interval
from .summary import Results, Summary, summarize

SEED_INTERVAL = 'mIoU 95 %'
# As the papers print them, so that 19 columns fit on a wide terminal.
SHORT_NAMES = {
    'sidewalk': 'side.',
    'building': 'build.',
    'traffic light': 'light',
    'traffic sign': 'sign',
    'vegetation': 'veg.',
    'terrain': 'terr.',
    'person': 'pers.',
    'motorcycle': 'mbike',
    'bicycle': 'bike',
}
LATEX = str.maketrans(
    {
        **{sign: f'\\{sign}' for sign in '%_&#${}'},
        # Signs of mathematics, which the usual text fonts print as others.
        **{sign: f'${sign}$' for sign in '<>|'},
        '\\': r'\textbackslash{}',
        '^': r'\textasciicircum{}',
        '~': r'\textasciitilde{}',
        '±': r'$\pm$',
        '†': r'$\dagger$',
    }
)
Cell = Callable[[Summary], str]


@dataclass(frozen=True)
class Table:
    """A study's table.

    Args:
        study: The study.
        seeds: Seeds of the table.
        rows: Its lines, see :func:`summarize`.
    """

    study: Study
    seeds: Sequence[int]
    rows: Sequence[Summary]

    def class_names(self) -> list[str]:
        """Classes of the first row that has a result, none if no row has."""
        rows = (row for row in self.rows if row.status == 'done')
        return next((list(row.class_ious) for row in rows), [])

    def caption(self) -> str:
        """What the figures are, a line each."""
        lines = [_conditions(self)]
        if self.study.reference:
            lines.append(_tests(self))
        if any(row.status == 'published' for row in self.rows):
            lines.append(
                'published: figures of the papers on their data, not measured here'
            )
        return '\n'.join(lines)


def read_table(
    study: Study, out: Path, seeds: Sequence[int] = ()
) -> tuple[Table, Results]:
    """The table of a study and the results that it is made of.

    Args:
        study: What was compared.
        out: Folder of the study's results.
        seeds: In place of the study's seeds.

    Raises:
        InputError: There are no results, or they do not belong together.
    """
    seeds = tuple(dict.fromkeys(seeds or study.seeds))
    results = read_results(out / 'results.jsonl')
    return Table(study, seeds, summarize(study, seeds, results)), results


def _conditions(table: Table) -> str:
    spread = (
        f', mean ± standard deviation; {SEED_INTERVAL}: t-interval over seeds'
        if len(table.seeds) > 1
        else ''
    )
    return (
        'IoU in percent on the validation images of the target, last checkpoint, '
        f'seed {", ".join(map(str, table.seeds))}{spread}{_versions(table.rows)}'
    )


def _versions(rows: Sequence[Summary]) -> str:
    """The package's version; with several, the rows that each has made."""
    found = {version: [] for row in rows for version in row.versions}
    for row in rows:
        for version in row.versions:
            found[version].append(row.name)
    if len(found) < 2:
        return ''.join(f'; cfcontra_mm {version}' for version in found)
    parts = [f'{version} ({", ".join(names)})' for version, names in found.items()]
    return f'; cfcontra_mm {", ".join(parts)}'


def _tests(table: Table) -> str:
    seeds = '± over seeds: paired 95 % t-interval; ' if len(table.seeds) > 1 else ''
    length = table.study.block_length
    images = 'images' if length == 1 else f'blocks of {length} neighbouring images'
    return (
        f'vs {table.study.reference}: difference in mIoU and its 95 % bootstrap '
        f'interval over {images}, the same images for both rows and all seeds; '
        f'{seeds}p: paired permutation over {images}; '
        '*: several seeds, and neither the interval over images nor that over seeds '
        'holds zero'
    )


def text_table(table: Table) -> str:
    """For a terminal, class names shortened."""
    columns = _columns(table, _short_names(table.class_names()).get)
    pretty = method_table(list(columns), _cells(table, columns))
    pretty.padding_width = 0
    pretty.left_padding_width = 1
    return pretty.get_string()


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """Class names cut short, in full where two would be the same."""
    short = {name: SHORT_NAMES.get(name, name[:6]) for name in names}
    count = Counter(short.values())
    return {name: name if count[cut] > 1 else cut for name, cut in short.items()}


def markdown_table(table: Table, classes: bool = True) -> str:
    """In Markdown, class names in full.

    Args:
        table: The table.
        classes: Whether the classes have columns.
    """
    pretty = method_table(*table_cells(table, classes))
    pretty.set_style(TableStyle.MARKDOWN)
    return pretty.get_string()


def table_cells(
    table: Table, classes: bool = True
) -> tuple[list[str], list[list[str]]]:
    """Headings, class names in full, and the cells of every line.

    Args:
        table: The table.
        classes: Whether the classes, and the interval over seeds, have columns.
    """
    columns = _columns(table, lambda name: name)
    hidden = () if classes else (*table.class_names(), SEED_INTERVAL)
    shown = {name: cell for name, cell in columns.items() if name not in hidden}
    return list(shown), _cells(table, shown)


def _cells(table: Table, columns: Mapping[str, Cell]) -> list[list[str]]:
    return [[cell(row) for cell in columns.values()] for row in table.rows]


def method_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> PrettyTable:
    """A table whose first column names methods and whose others hold figures."""
    pretty = PrettyTable(headings)
    pretty.align = 'r'
    pretty.align[headings[0]] = 'l'
    pretty.add_rows(rows)
    return pretty


def latex_table(table: Table) -> str:
    """A ``tabular`` in the style of booktabs, classes upright."""
    columns = _columns(table, lambda name: name)
    classes = set(table.class_names())
    headings = [
        rf'\rotatebox{{90}}{{{latex(name)}}}' if name in classes else latex(name)
        for name in columns
    ]
    return latex_tabular(headings, _cells(table, columns), table.caption())


def latex_tabular(
    headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str
) -> str:
    """A ``tabular`` whose first column names methods and whose others hold figures.

    Args:
        headings: Headings in LaTeX.
        rows: Cells as plain text.
        caption: Lines for comments above.
    """
    return '\n'.join(
        [
            r'% \usepackage{booktabs,graphicx}',
            *(f'% {line}' for line in caption.splitlines()),
            rf'\begin{{tabular}}{{l*{{{len(headings) - 1}}}{{r}}}}',
            r'\toprule',
            ' & '.join(headings) + r' \\',
            r'\midrule',
            *(' & '.join(map(latex, row)) + r' \\' for row in rows),
            r'\bottomrule',
            r'\end{tabular}',
        ]
    )


def latex(text: str) -> str:
    """Plain text for LaTeX."""
    return text.translate(LATEX)


def _columns(table: Table, shorten: Callable[[str], str]) -> dict[str, Cell]:
    """How each column of a table for people gets its cells, by heading."""
    study, several = table.study, len(table.seeds) > 1
    columns: dict[str, Cell] = {'method': _name}
    columns |= {shorten(c): partial(_class_cell, c) for c in table.class_names()}
    columns['mIoU'] = _miou_cell
    columns |= {SEED_INTERVAL: _interval_cell} if several else {}
    if study.baseline:
        columns['gain'] = _gain_cell
    if study.baseline and study.oracle:
        columns['gap closed'] = _gap_cell
    columns |= {column.name: partial(_figure_cell, column) for column in study.columns}
    if study.reference:
        columns[f'vs {study.reference}'] = _difference_cell
        columns |= {'± over seeds': _over_seeds_cell} if several else {}
        columns['p'] = _p_cell
    if several:
        columns['mIoU by seed'] = _seeds_cell
    return columns


def _name(row: Summary) -> str:
    return f'{row.name} (published)' if row.status == 'published' else row.name


def _class_cell(name: str, row: Summary) -> str:
    return _number(row.class_ious.get(name))


def _miou_cell(row: Summary) -> str:
    if row.status in ('failed', 'not run'):
        return row.status
    spread = '' if row.std is None else f' ± {row.std:.1f}'
    return _number(row.miou) + spread


def _interval_cell(row: Summary) -> str:
    return f'[{row.interval.low:.1f}, {row.interval.high:.1f}]' if row.interval else '-'


def _gain_cell(row: Summary) -> str:
    return '-' if row.gain is None else f'{row.gain:+.1f}'


def _gap_cell(row: Summary) -> str:
    return '-' if row.gap_closed is None else f'{row.gap_closed:.0f} %'


def _figure_cell(column: Column, row: Summary) -> str:
    return _number(row.columns.get(column.name), column.digits)


def _difference_cell(row: Summary) -> str:
    difference = row.difference
    if difference is None:
        return '-'
    mark = '*' if difference.significant else ''
    images = difference.over_images
    interval = f' [{images.low:+.1f}, {images.high:+.1f}]' if images else ''
    return f'{difference.mean:+.1f}{interval}{mark}'


def _over_seeds_cell(row: Summary) -> str:
    if row.difference is None:
        return '-'
    return f'± {row.difference.over_seeds.high - row.difference.mean:.1f}'


def _p_cell(row: Summary) -> str:
    p_value = row.difference and row.difference.p_value
    if p_value is None:
        return '-'
    return '<0.001' if p_value < 0.001 else f'{p_value:.3f}'


def _seeds_cell(row: Summary) -> str:
    return ', '.join(map(_number, row.by_seed)) or '-'


def _number(value: float | str | None, digits: int = 1) -> str:
    if isinstance(value, str):
        return value
    return '-' if value is None or math.isnan(value) else f'{value:.{digits}f}'


def csv_table(table: Table) -> str:
    """For programs: a number, a published figure's own text or nothing in a cell."""
    stream = io.StringIO()
    rows = [_csv_row(table, row) for row in table.rows]
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _csv_row(table: Table, row: Summary) -> dict[str, str]:
    by_seed = row.by_seed or (None,) * len(table.seeds)
    numbers = {
        **{name: row.class_ious.get(name) for name in table.class_names()},
        'mIoU': row.miou,
        'mIoU std': row.std,
        **_bounds('mIoU t', row.interval),
        'gain': row.gain,
        'gap closed': row.gap_closed,
        **{column.name: row.columns.get(column.name) for column in table.study.columns},
        **_csv_difference(row),
        **{f'mIoU seed {s}': v for s, v in zip(table.seeds, by_seed, strict=True)},
    }
    cells = {heading: _csv_cell(value) for heading, value in numbers.items()}
    versions = ' '.join(row.versions)
    return {'method': row.name, 'status': row.status, **cells, 'version': versions}


def _csv_difference(row: Summary) -> dict[str, float | None]:
    difference = row.difference
    return {
        'difference': difference and difference.mean,
        **_bounds('bootstrap', difference and difference.over_images),
        **_bounds('paired t', difference and difference.over_seeds),
        'p': difference and difference.p_value,
        'significant': difference and float(difference.significant),
    }


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f'{name} low': low, f'{name} high': high}


def _csv_cell(value: float | str | None) -> str:
    if value in ('failed', 'not run') or value is None:
        return ''
    if isinstance(value, str):
        return value
    return '' if math.isnan(value) else f'{value:.6g}'
