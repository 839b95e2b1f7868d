"""``results.jsonl``, the results of a study: the only file that tables are made from.

It holds one line per run, made from the run's record and logs.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file, write_whole

from .records import OTHER_PER_IMAGE, PER_IMAGE, Record, read_record
from .result_line import check_line
from .validations import missing_validations


@dataclass(frozen=True)
class Entry:
    """A run of the table, as the file describes it.

    Args:
        row: Name of the study's row.
        seed: Seed of the training.
        config: Config file.
        identity: Config hash: sha256 of everything that the result depends on.
        work_dir: Folder of the run.
        max_iters: Iterations of the training.
        overrides: Overridden settings by their dotted keys.
        settings: All settings of the resolved config.
        shared_sources: Digest of the sources that all rows share; '' if unknown.
    """

    row: str
    seed: int
    config: str
    identity: str
    work_dir: Path
    max_iters: int
    overrides: Mapping[str, Any]
    settings: Mapping[str, Any]
    shared_sources: str = ''

    @property
    def key(self) -> tuple[str, int]:
        return self.row, self.seed


@dataclass(frozen=True)
class Result:
    """The part of a line of ``results.jsonl`` that tables need.

    Args:
        status: ``'done'`` or ``'failed'``.
        version: Version of cfcontra_mm that trained it.
        metrics: See :class:`Record`; empty if it failed.
        final: Means of the last logged values of the training, see :class:`Curves`.
        per_image: File of the pixel counts of every image, None if there is none.
        per_image_other: Likewise, under the other treatment of batch normalisation.
        validations: Metrics of every validation by iteration.
        line: The whole line.
    """

    status: str
    version: str = ''
    metrics: Mapping[str, float] = field(default_factory=dict)
    final: Mapping[str, float] = field(default_factory=dict)
    per_image: Path | None = None
    per_image_other: Path | None = None
    validations: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    line: Mapping[str, Any] = field(default_factory=dict)

    @property
    def iterations(self) -> int | None:
        """Iterations of the training, None if they were not noted."""
        return self.line.get('max_iters')

    @property
    def commit(self) -> str:
        """Commit of the package, in short, ``+`` if it was dirty; '' if unknown."""
        git = self.line.get('git') or {}
        return str(git.get('commit') or '')[:10] + ('+' if git.get('dirty') else '')

    @property
    def missing_validations(self) -> list[int]:
        """Iterations whose validation was due but is missing."""
        settings = self.line.get('resolved_config') or {}
        return missing_validations(settings, self.validations)

    def class_ious(self) -> dict[str, float]:
        """Return the IoU in percent by class name, in the order of the data set."""
        return {
            key.removeprefix('IoU.'): value
            for key, value in self.metrics.items()
            if key.startswith('IoU.')
        }


def write_results(
    runs: Sequence[Entry],
    errors: Mapping[str, str],
    out: Path,
    open_rows: Collection[str] = (),
) -> None:
    """Write ``out/results.jsonl``, one line for every run that is finished or failed.

    The earlier line of a run with the same config hash is kept if there is nothing
    newer: its folder may have been deleted, or training it again may have failed. The
    pixel counts are copied to ``out/per_image/``, so that the tables can be made
    without the folders of the runs.

    Args:
        runs: Runs of the table.
        errors: Error messages of failed runs by config hash.
        out: Folder of the study; paths in the file are relative to it.
        open_rows: Rows whose settings are still to be chosen: their lines are kept, as
            the same settings may be chosen again.
    """
    path = out / 'results.jsonl'
    before = read_results(path, missing_ok=True)
    lines: list[Mapping[str, Any]] = []
    for run in runs:
        old = before.get(run.key)
        if old and old.line.get('identity') != run.identity:
            old = None
        if record := read_record(run.work_dir, run.identity):
            lines.append(_finished_line(run, record, out))
        elif old and (old.status == 'done' or run.identity not in errors):
            lines.append(old.line)
        elif run.identity in errors:
            lines.append(_failed_line(run, errors[run.identity]))
    lines += [old.line for (row, _), old in before.items() if row in open_rows]
    kept = {line.get('identity') for line in lines}
    _keep_superseded(before.values(), kept, out)
    _write_lines(path, lines)


def _keep_superseded(
    results: Iterable[Result], kept: Collection[str | None], out: Path
) -> None:
    """Move results of other settings or code to a separate file, and report it."""
    path = out / 'results.superseded.jsonl'
    superseded = [
        result.line
        for result in results
        if result.status == 'done' and result.line.get('identity') not in kept
    ]
    if not superseded:
        return
    earlier = path.read_text(encoding='utf-8-sig') if path.exists() else ''
    write_whole(path, earlier + _json_lines(superseded))
    count = len(superseded)
    print(f'{count} results were made with other settings or code; moved to {path}')


def _write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    write_whole(path, _json_lines(lines))


def _json_lines(lines: Iterable[Mapping[str, Any]]) -> str:
    return ''.join(
        json.dumps(_without_nan(line), default=str, allow_nan=False) + '\n'
        for line in lines
    )


def follow_folders(moved: Mapping[Path, Path], out: Path) -> None:
    """Update the folders of moved runs in ``out/results.jsonl``.

    Args:
        moved: New paths of folders by their old ones.
        out: Folder of the study.

    Raises:
        InputError: The file is not a file of results.
    """
    path = out / 'results.jsonl'
    names = {
        os.path.relpath(old, out): os.path.relpath(new, out)
        for old, new in moved.items()
    }
    results = read_results(path, missing_ok=True).values()
    lines = [dict(result.line) for result in results]
    for line in lines:
        old = line.get('work_dir')
        if old in names:
            line['work_dir'] = names[old]
            files = line.get('files') or ()
            line['files'] = [file.replace(old, names[old], 1) for file in files]
    _write_lines(path, lines)


def _finished_line(run: Entry, record: Record, out: Path) -> dict[str, Any]:
    curves = asdict(read_curves(run.work_dir))
    del curves['training']  # hundreds of numbers, which the logs in `files` hold
    counts = out / 'per_image' / f'{run.work_dir.name}.npz'
    other = [
        _copied(run.work_dir / file, counts.with_stem(f'{counts.stem}_{name}'))
        for name, file in OTHER_PER_IMAGE.items()
    ]
    return {
        **asdict(record),
        'row': run.row,  # the record may be of another row with the same settings
        'status': 'done',
        'work_dir': os.path.relpath(run.work_dir, out),
        'max_iters': run.max_iters,
        'overrides': run.overrides,
        'resolved_config': run.settings,
        'shared_sources': run.shared_sources or None,
        **curves,
        'files': [os.path.relpath(path, out) for path in curves['files']],
        'per_image': _named(_copied(run.work_dir / PER_IMAGE, counts), out),
        'per_image_other': _named(next(filter(None, other), None), out),
    }


def _copied(origin: Path, copy: Path) -> Path | None:
    """Copy a file if it exists; return the copy, or an earlier one, if there is any."""
    if origin.exists():
        with whole_file(copy) as temporary:
            shutil.copyfile(origin, temporary)
    return copy if copy.exists() else None


def _named(path: Path | None, out: Path) -> str | None:
    """Return the name of a file in the results, None if there is no file."""
    return os.path.relpath(path, out) if path else None


def _failed_line(run: Entry, error: str) -> dict[str, Any]:
    return {
        'row': run.row,
        'config': run.config,
        'identity': run.identity,
        'seed': run.seed,
        'status': 'failed',
        'error': error,
    }


def _without_nan(value: Any) -> Any:
    """Replace NaN and infinity by None, as JSON has no literal for them."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_results(path: Path, missing_ok: bool = False) -> dict[tuple[str, int], Result]:
    """Read a ``results.jsonl``: its results by (row, seed).

    Args:
        path: The file.
        missing_ok: Whether to return no results if the file is missing or empty.

    Raises:
        InputError: The file is missing, empty or not a file of results.
    """
    text = _read_text(path) if path.exists() or not missing_ok else ''
    lines = {n: line for n, line in enumerate(text.splitlines(), 1) if line.strip()}
    if not lines and not missing_ok:
        raise InputError(f'{path}: no results yet; run the study first')
    results: dict[tuple[str, int], Result] = {}
    numbers: dict[tuple[str, int], int] = {}
    for number, line in lines.items():
        result = _read_line(line, f'{path}:{number}', path.parent)
        key = result.line['row'], result.line['seed']
        if key in results:
            raise InputError(
                f'{path}:{number}: row {key[0]!r} with seed {key[1]} is also in line '
                f'{numbers[key]}; delete one of them'
            )
        results[key], numbers[key] = result, number
    return results


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8-sig')  # editors may add a mark
    except FileNotFoundError:
        raise InputError(f'{path}: no results yet; run the study first') from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: not a results file ({error}); move it') from error


def _read_line(text: str, place: str, out: Path) -> Result:
    try:
        line = json.loads(text)
        check_line(line, out)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'{place}: {error}; delete this line and run the study again'
        ) from error
    return _result(line, out)


def _result(line: dict[str, Any], out: Path) -> Result:
    if line['status'] == 'failed':
        return Result('failed', line=line)
    return Result(
        status='done',
        version=line['version'],
        metrics=_with_nan(line['metrics']),
        final=_with_nan(line['final']),
        per_image=_existing(out, line.get('per_image')),
        per_image_other=_existing(out, line.get('per_image_other')),
        validations={int(i): _with_nan(v) for i, v in line['validations'].items()},
        line=line,
    )


def _existing(out: Path, name: str | None) -> Path | None:
    """Return a file; None without one, as results may travel alone."""
    return out / name if name and (out / name).exists() else None


def _with_nan(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {k: math.nan if v is None else v for k, v in metrics.items()}
