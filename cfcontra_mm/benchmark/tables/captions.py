"""Explain a table: its figures, its tests, and what to mind when reading it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cfcontra_mm.benchmark.results.alike import grouped
from cfcontra_mm.benchmark.study import Study, TunedRow

from .comparisons import ImageTest
from .summary import (
    ENOUGH_SEEDS,
    FEWEST_SEEDS,
    SIGNIFICANCE,
    WEAK_SHARE,
    Summary,
    compared_under,
)
from .treatments import NO_LAYERS

SEED_INTERVAL = 'mIoU 95 %'
OVER_IMAGES = '95 % CI over images'
OVER_SEEDS = '95 % CI over seeds'
P_VALUE = 'p (Holm)'
WEAK_MARK = '°'


def difference_heading(reference: str) -> str:
    """Return the heading of the differences from the reference row."""
    return f'Δ {reference}'


def conditions(seeds: Sequence[int], rows: Sequence[Summary]) -> list[str]:
    """Return what was measured, one sentence per line."""
    spread = (
        f', mean ± standard deviation over seeds; {SEED_INTERVAL}: t-interval over '
        'seeds'
        if len(seeds) > 1
        else ''
    )
    return [
        'IoU in percent on the validation images of the target, last checkpoint, '
        f'seed {", ".join(map(str, seeds))}{spread}{_versions(rows)}',
        *treatments(rows),
    ]


def short_caption(
    study: Study, seeds: Sequence[int], rows: Sequence[Summary]
) -> list[str]:
    """Return the same in words of the field, for the table without classes."""
    parts = ['mIoU in percent']
    if len(seeds) > 1:
        parts.append(f'mean ± std over {len(seeds)} seeds')
    if study.reference:
        over = '' if len(seeds) > 1 else ' over images'
        parts.append(f'Δ with 95 % CI{over}')
        if len(seeds) >= FEWEST_SEEDS:
            parts.append('* significant over images and seeds')
    return ['; '.join(parts), *treatments(rows), *compared(study, rows)]


def treatments(rows: Sequence[Summary]) -> list[str]:
    """Return under which statistics the rows were tested; [] without results."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.status == 'done':
            found.setdefault(row.treatment.headline, []).append(row.name)
    if not found:
        return []
    *fewer, most = sorted(found, key=lambda name: len(found[name]))
    parts = [f'{_under(name)}: {", ".join(found[name])}' for name in fewer]
    parts.append(f'{_under(most)}: all others' if parts else _under(most))
    return [f'mIoU {"; ".join(parts)}']


def _under(treatment: str) -> str:
    return f'with {NO_LAYERS}' if treatment == NO_LAYERS else f'under {treatment}'


def treatments_differ(rows: Sequence[Summary]) -> bool:
    """Tell whether the mIoU of some rows is under target statistics, not of all."""
    found = {row.treatment.name for row in rows if row.status == 'done'}
    return len(found - {NO_LAYERS}) > 1


def compared(study: Study, rows: Sequence[Summary]) -> list[str]:
    """Return under what rows are compared if they were tested under several things."""
    complete = {row.name: row for row in rows if row.status == 'done'}
    figures = {'Δ': study.reference}
    if study.baseline != study.reference:
        figures['gain'] = study.baseline
    if study.oracle:
        figures['gap closed'] = study.baseline
    found: dict[str, list[str]] = {}
    for figure, name in figures.items():
        if name in complete:
            words = compared_under(name, complete).headline
            found.setdefault(words, []).append(figure)
    return [
        f'{", ".join(names)}: {_under(words)} for every row'
        for words, names in found.items()
        if treatments_differ(rows)
    ]


def choices(study: Study) -> list[str]:
    """Return on what the settings of rows were chosen; [] if none were."""
    searched = study.development
    rows = [row for row in study.rows if isinstance(row, TunedRow)]
    if not searched or not rows:
        return []
    scores = {row.score for row in rows} - {'mIoU'}
    found = f'tuned: by mIoU on the validation images of {searched.pair}'
    if scores:
        found += (
            f'; selected without labels: by {", ".join(sorted(scores))} on those '
            f"images, which are the development pair's target and not the table's"
        )
    return [found]


def _versions(rows: Sequence[Summary]) -> str:
    """Return the version of the package; if there are several, with their rows."""
    found: dict[str, list[str]] = {v: [] for row in rows for v in row.versions}
    for row in rows:
        for version in row.versions:
            found[version].append(row.name)
    if len(found) < 2:
        return ''.join(f'; cfcontra_mm {version}' for version in found)
    parts = [f'{version} ({", ".join(names)})' for version, names in found.items()]
    return f'; cfcontra_mm {", ".join(parts)}'


def tests(reference: str, seeds: Sequence[int], rows: Sequence[Summary]) -> list[str]:
    """Return how the rows were tested against the reference, one test per line."""
    lines = [f'{difference_heading(reference)}: difference in mIoU']
    found = [row.difference for row in rows if row.difference]
    over_images = [d.over_images for d in found if d.over_images]
    adjusted = sum(d.p_adjusted is not None for d in found)
    if over_images:
        lines += _image_tests(over_images[0], len(seeds), adjusted)
    if len(seeds) > 1:
        lines.append(f'{OVER_SEEDS}: t-interval of the difference paired by seed')
    if len(seeds) >= FEWEST_SEEDS:
        lines.append(_mark(len(seeds)))
    return lines


def _image_tests(test: ImageTest, seeds: int, rows: int) -> list[str]:
    what = 'images'
    if test.block_length > 1:
        what = f'blocks of {test.block_length} neighbouring images'
    alike = 'all rows and seeds' if seeds > 1 else 'all rows'
    interval = f't-interval over {test.blocks} jackknifed {what}, the same for {alike}'
    found = f'p over {what} (paired permutation test)'
    if seeds > 1:
        found = f'the larger of {found} and over seeds (paired t-test)'
    if rows > 1:
        found += f', adjusted for {rows} rows'
    # Of two sides, among all ways to swap the rows in some of the blocks.
    smallest = 2 * rows / 2**test.blocks
    if smallest >= SIGNIFICANCE:
        found += f'; it cannot be below {min(smallest, 1):.2g}'
    p_value = [f'{P_VALUE}: {found}'] if rows else []
    return [f'{OVER_IMAGES}: {interval}', *p_value]


def _mark(seeds: int) -> str:
    few = (
        f', and with fewer than {ENOUGH_SEEDS} seeds the interval over seeds is at '
        'least half its width away from zero'
        if seeds < ENOUGH_SEEDS
        else ''
    )
    return (
        '*: significant over images and seeds: both intervals exclude zero and p is '
        f'below {SIGNIFICANCE}{few}'
    )


def notes(rows: Sequence[Summary]) -> list[str]:
    """Return what to mind: weak terms, and rows or seeds that were not made alike."""
    iterations = {row.name: row.iterations for row in rows if row.iterations}
    # Rows of a study may be made at different times, but seeds of a row are one.
    mixed = {
        row.name: row.commits for row in rows if len({*row.commits.values()} - {''}) > 1
    }
    lines = {
        'not trained for the same number of iterations': _groups(iterations),
        'seeds of a row are of different commits': _groups(mixed),
        'made with other overrides than the study has now': ', '.join(
            row.name for row in rows if row.outdated
        ),
        f'{WEAK_MARK}: terms below {WEAK_SHARE:g} % of the gradient on the backbone in '
        'the whole run': ', '.join(_weak_terms(rows)),
    }
    return [f'{what}: {groups}' for what, groups in lines.items() if groups]


def _weak_terms(rows: Iterable[Summary]) -> Iterable[str]:
    for row in rows:
        terms = (f'{term} {share:.2g} %' for term, share in row.weak_terms.items())
        if row.weak_terms:
            yield f'{row.name} ({", ".join(terms)})'


def _groups(found: Mapping[str, Mapping[int, Any]]) -> str:
    """Group the rows, or seeds of a row that differ, by value; '' if all are equal."""
    groups = grouped(found)
    if len(groups) < 2:
        return ''
    return '; '.join(
        f'{value or "unknown"} ({", ".join(who)})' for value, who in groups.items()
    )
