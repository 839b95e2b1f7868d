"""Format a table as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prettytable import PrettyTable, TableStyle

from cfcontra_mm.benchmark.results.results_file import read_results
from cfcontra_mm.benchmark.study import Column, Study
from cfcontra_mm.files import csv_text

from . import captions
from .captions import OVER_IMAGES, OVER_SEEDS, P_VALUE, SEED_INTERVAL, WEAK_MARK
from .comparisons import CACHE, Comparisons
from .statistics import Interval
from .summary import Difference, Results, Summary, summarize
from .treatments import NO_LAYERS, RUNNING, TARGET

# As papers print them, so that 19 columns fit on a wide terminal.
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
        # Mathematical symbols, which text fonts may print as other characters.
        **{sign: f'${sign}$' for sign in '<>|'},
        '\\': r'\textbackslash{}',
        '^': r'\textasciicircum{}',
        '~': r'\textasciitilde{}',
        '±': r'$\pm$',
        '†': r'$\dagger$',
        '°': r'$^\circ$',
        'Δ': r'$\Delta$',
    }
)
Cell = Callable[[Summary], str]


@dataclass(frozen=True)
class Table:
    """The table of a study.

    Args:
        study: The study.
        seeds: Seeds of the table.
        rows: Lines of the table, see :func:`summarize`.
        remarks: Further notes.
    """

    study: Study
    seeds: Sequence[int]
    rows: Sequence[Summary]
    remarks: Sequence[str] = ()

    def class_names(self) -> list[str]:
        """Return the classes of the first row with a result, [] if there is none."""
        rows = (row for row in self.rows if row.status == 'done')
        return next((list(row.class_ious) for row in rows), [])

    def caption(self) -> str:
        """Return an explanation of the figures, one per line."""
        lines = [
            *captions.conditions(self.seeds, self.rows),
            *captions.compared(self.study, self.rows),
            *self.notes(),
        ]
        if self.study.reference:
            lines += captions.tests(self.study.reference, self.seeds, self.rows)
        if any(row.status == 'published' for row in self.rows):
            lines.append(
                'published: figures from the papers on their data, not measured here'
            )
        return '\n'.join(lines)

    def short_caption(self) -> str:
        """Return the same in words of the field, one sentence per line."""
        short = captions.short_caption(self.study, self.seeds, self.rows)
        return '\n'.join([*short, *self.notes()])

    def notes(self) -> list[str]:
        """Return what to mind, for example when rows or seeds were not made alike."""
        chosen = captions.choices(self.study)
        return [*chosen, *captions.notes(self.rows), *self.remarks]


def read_table(
    study: Study, out: Path, seeds: Sequence[int] = (), remarks: Sequence[str] = ()
) -> tuple[Table, Results]:
    """Read the results of a study and summarize them in a table.

    Args:
        study: The study.
        out: Folder of the study's results.
        seeds: Seeds to use instead of the study's.
        remarks: Further notes of the table.

    Returns:
        The table, and the results by (row, seed).

    Raises:
        InputError: There are no results, or their images or classes differ.
    """
    seeds = tuple(dict.fromkeys(seeds or study.seeds))
    results = read_results(out / 'results.jsonl')
    comparisons = Comparisons(out / CACHE)
    rows = summarize(study, seeds, results, comparisons)
    table = Table(study, seeds, rows, remarks)
    comparisons.save()
    return table, results


def text_table(table: Table) -> str:
    """Format a table for a terminal, with short class names."""
    columns = _columns(table, _short_names(table.class_names()).__getitem__)
    pretty = method_table(list(columns), _cells(table, columns))
    pretty.padding_width = 0
    pretty.left_padding_width = 1
    return pretty.get_string()


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """Shorten class names, except where two would become the same."""
    short = {name: SHORT_NAMES.get(name, name[:6]) for name in names}
    count = Counter(short.values())
    return {name: name if count[cut] > 1 else cut for name, cut in short.items()}


def markdown_table(table: Table, classes: bool = True) -> str:
    """Format a table in Markdown, with full class names.

    Args:
        table: The table.
        classes: Whether to include the classes and the interval over seeds.
    """
    pretty = method_table(*table_cells(table, classes))
    pretty.set_style(TableStyle.MARKDOWN)
    return pretty.get_string()


def table_cells(
    table: Table, classes: bool = True
) -> tuple[list[str], list[list[str]]]:
    """Return the headings, with full class names, and the cells of every line.

    Args:
        table: The table.
        classes: Whether to include the classes and the interval over seeds.
    """
    columns = _columns(table, lambda name: name)
    hidden = () if classes else (*table.class_names(), SEED_INTERVAL)
    shown = {name: cell for name, cell in columns.items() if name not in hidden}
    return list(shown), _cells(table, shown)


def _cells(table: Table, columns: Mapping[str, Cell]) -> list[list[str]]:
    return [[cell(row) for cell in columns.values()] for row in table.rows]


def method_table(headings: Sequence[str], rows: Sequence[list[str]]) -> PrettyTable:
    """Build a table whose first column is methods and whose others are figures."""
    pretty = PrettyTable(headings)
    pretty.align = 'r'
    pretty.align[headings[0]] = 'l'
    pretty.add_rows(rows)
    return pretty


def latex_table(table: Table) -> str:
    """Format a table as a booktabs ``tabular``, with rotated class names."""
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
    """Format a ``tabular`` whose first column is methods and the others figures.

    Args:
        headings: Headings in LaTeX.
        rows: Cells as plain text.
        caption: Plain text for comments above it.
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
    """Escape plain text for LaTeX."""
    return text.translate(LATEX)


def _columns(table: Table, shorten: Callable[[str], str]) -> dict[str, Cell]:
    """Return the function that formats the cells of each column, by heading."""
    study, several = table.study, len(table.seeds) > 1
    columns: dict[str, Cell] = {'method': _name}
    columns |= {shorten(c): partial(_class_cell, c) for c in table.class_names()}
    columns['mIoU'] = _miou_cell
    columns |= _treatment_columns(table.rows)
    columns |= {SEED_INTERVAL: _interval_cell} if several else {}
    if study.baseline and study.baseline != study.reference:
        columns['gain'] = _gain_cell
    if study.baseline and study.oracle:
        columns['gap closed'] = _gap_cell
    columns |= {column.name: partial(_figure_cell, column) for column in study.columns}
    if study.reference:
        columns[captions.difference_heading(study.reference)] = _difference_cell
        columns[OVER_IMAGES] = _over_images_cell
        columns |= {OVER_SEEDS: _over_seeds_cell} if several else {}
        columns[P_VALUE] = _p_cell
    if several:
        columns['mIoU by seed'] = _seeds_cell
    return columns


def _treatment_columns(rows: Sequence[Summary]) -> dict[str, Cell]:
    """Return the columns of both treatments if rows differ, else that of the other."""
    if captions.treatments_differ(rows):
        return {name: partial(_under_cell, name) for name in (TARGET, RUNNING)}
    others = dict.fromkeys(row.treatment.other for row in rows if row.treatment.other)
    return dict.fromkeys(others, _other_cell)


def _name(row: Summary) -> str:
    if row.status == 'published':
        return f'{row.name} (published)'
    return row.name + WEAK_MARK * bool(row.weak_terms)


def _class_cell(name: str, row: Summary) -> str:
    return _number(row.class_ious.get(name))


def _miou_cell(row: Summary) -> str:
    if row.status in ('failed', 'not run'):
        return row.status
    return _spread(row.miou, row.std)


def _other_cell(row: Summary) -> str:
    treatment = row.treatment
    return (
        NO_LAYERS if treatment.name == NO_LAYERS else _under_cell(treatment.other, row)
    )


def _under_cell(treatment: str, row: Summary) -> str:
    found = row.treatment.measured.get(treatment)
    return _spread(found.mean, found.std) if found else '-'


def _spread(mean: float | None, std: float | None) -> str:
    return _number(mean) + ('' if std is None else f' ± {std:.1f}')


def _interval_cell(row: Summary) -> str:
    return _interval(row.interval, _number)


def _interval(interval: Interval | None, number: Callable[[float], str]) -> str:
    return f'[{", ".join(map(number, interval))}]' if interval else '-'


def _gain_cell(row: Summary) -> str:
    return _signed(row.gain)


def _gap_cell(row: Summary) -> str:
    if row.gap_closed is None:
        return '-'
    text = f'{row.gap_closed:.0f} %'
    return '0 %' if text == '-0 %' else text


def _figure_cell(column: Column, row: Summary) -> str:
    return _number(row.columns.get(column.name), column.digits)


def _difference_cell(row: Summary) -> str:
    difference = row.difference
    if difference is None:
        return '-'
    return _signed(difference.mean) + '*' * difference.significant


def _over_images_cell(row: Summary) -> str:
    test = row.difference.over_images if row.difference else None
    return _interval(test.interval if test else None, _signed)


def _over_seeds_cell(row: Summary) -> str:
    return _interval(row.difference.over_seeds if row.difference else None, _signed)


def _p_cell(row: Summary) -> str:
    p_value = row.difference.p_adjusted if row.difference else None
    if p_value is None:
        return '-'
    return '<0.001' if p_value < 0.001 else f'{p_value:.3f}'


def _seeds_cell(row: Summary) -> str:
    return ', '.join(map(_number, row.by_seed)) or '-'


def _number(value: float | str | None, digits: int = 1) -> str:
    """Format a number: a missing one as a dash, and NaN as what it is."""
    if isinstance(value, str):
        return value
    return '-' if value is None else f'{value:.{digits}f}'


def _signed(value: float | None) -> str:
    if value is None or math.isnan(value):
        return _number(value)
    return f'{value:+.1f}'


def csv_table(table: Table) -> str:
    """Format a table as CSV: numbers in full, published figures as printed, or ''.

    A seed that failed says so in place of its mIoU; NaN is ``nan``.
    """
    rows = [_csv_row(table, row) for row in table.rows]
    return csv_text([list(rows[0]), *(list(row.values()) for row in rows)])


def _csv_row(table: Table, row: Summary) -> dict[str, str]:
    by_seed = row.by_seed or (None,) * len(table.seeds)
    numbers = {
        **{name: row.class_ious.get(name) for name in table.class_names()},
        'mIoU': row.miou,
        'mIoU std': row.std,
        **_bounds('mIoU t', row.interval),
        **_csv_treatments(row),
        'gain': row.gain,
        'gap closed': row.gap_closed,
        **{column.name: row.columns.get(column.name) for column in table.study.columns},
        **_csv_difference(row.difference),
        **{f'mIoU seed {s}': v for s, v in zip(table.seeds, by_seed, strict=True)},
    }
    cells = {heading: _csv_cell(value) for heading, value in numbers.items()}
    made = {
        'statistics': [row.treatment.headline] if row.status == 'done' else [],
        'version': row.versions,
        'iterations': row.iterations.values(),
        'commit': row.commits.values(),
    }
    distinct = {
        heading: ' '.join(dict.fromkeys(str(value) for value in values if value))
        for heading, values in made.items()
    }
    return {'method': row.name, 'status': row.status, **cells, **distinct}


def _csv_treatments(row: Summary) -> dict[str, float | None]:
    found = {name: row.treatment.measured.get(name) for name in (TARGET, RUNNING)}
    cells: dict[str, float | None] = {}
    for name, each in found.items():
        cells[name] = each.mean if each else None
        cells[f'{name} std'] = each.std if each else None
    return cells


def _csv_difference(found: Difference | None) -> dict[str, float | None]:
    test = found.over_images if found else None
    return {
        'difference': found.mean if found else None,
        **_bounds('over images', test.interval if test else None),
        **_bounds('over seeds', found.over_seeds if found else None),
        'p over images': test.p_value if test else None,
        'p over seeds': found.p_over_seeds if found else None,
        'p (Holm)': found.p_adjusted if found else None,
        'blocks': test.blocks if test else None,
        'significant': float(found.significant) if found else None,
    }


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f'{name} low': low, f'{name} high': high}


def _csv_cell(value: float | str | None) -> str:
    if value == 'not run' or value is None:
        return ''
    return value if isinstance(value, str) else f'{value:.6g}'
