"""``results.jsonl``, which gathers a study's runs: all that tables read.

It is made of the runs' records and logs, a line a run.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file, write_whole

from .records import PER_IMAGE, Record, read_record


@dataclass(frozen=True)
class Entry:
    """A run of a table, as the file knows it.

    Args:
        row: Name of the study's row.
        seed: Seed of the training.
        config: Config file.
        identity: sha256 of all that the result depends on.
        work_dir: Folder of the run.
        max_iters: Iterations that the config asks for.
        overrides: Settings in place of the config's own, by their dotted keys.
        settings: All settings, as the study resolved the config.
    """

    row: str
    seed: int
    config: str
    identity: str
    work_dir: Path
    max_iters: int
    overrides: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, int]:
        return self.row, self.seed


@dataclass(frozen=True)
class Result:
    """What tables need of a line of ``results.jsonl``.

    Args:
        status: 'done' or 'failed'.
        version: Version of cfcontra_mm that trained it.
        metrics: See :class:`Record`; empty if it failed.
        final: Means of what the training logged at its end, see :class:`Curves`.
        per_image: Pixel counts of every image, None if there are none.
        validations: Metrics of every validation by iteration.
        line: The whole line.
    """

    status: str
    version: str = ''
    metrics: Mapping[str, float] = field(default_factory=dict)
    final: Mapping[str, float] = field(default_factory=dict)
    per_image: Path | None = None
    validations: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    line: Mapping[str, Any] = field(default_factory=dict)

    def class_ious(self) -> dict[str, float]:
        """IoU in percent by class name, in the order of the data set."""
        return {
            key.removeprefix('IoU.'): value
            for key, value in self.metrics.items()
            if key.startswith('IoU.')
        }


def write_results(runs: Sequence[Entry], errors: Mapping[str, str], out: Path) -> None:
    """Write ``out/results.jsonl``: a line for every run that is finished or failed.

    What the file says of a run with the same settings stays, if nothing newer is known:
    its folder may be gone, or it was to be trained again and failed. The runs' pixel
    counts come along as ``out/per_image/``, so that the tables can be made without the
    runs' folders.

    Args:
        runs: Runs of the table.
        errors: Why runs failed, by identity.
        out: Folder of the study; paths in the file start from it.
    """
    path = out / 'results.jsonl'
    before = read_results(path, missing_ok=True)
    lines = []
    for run in runs:
        old = before.get(run.key)
        known = old is not None and old.line['identity'] == run.identity
        if record := read_record(run.work_dir, run.identity):
            lines.append(_finished_line(run, record, out))
        elif known and (old.status == 'done' or run.identity not in errors):
            lines.append(old.line)
        elif run.identity in errors:
            lines.append(_failed_line(run, errors[run.identity]))
    _keep_superseded(before.values(), {line['identity'] for line in lines}, out)
    _write_lines(path, lines)


def _keep_superseded(results: Iterable[Result], kept: set[str], out: Path) -> None:
    """Move results of other settings or code to a file of their own, and say so."""
    path = out / 'results.superseded.jsonl'
    lost = [
        result.line
        for result in results
        if result.status == 'done' and result.line['identity'] not in kept
    ]
    if not lost:
        return
    earlier = path.read_text() if path.exists() else ''
    write_whole(path, earlier + _json_lines(lost))
    print(f'{len(lost)} results were made with other settings or code; now in {path}')


def _write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    write_whole(path, _json_lines(lines))


def _json_lines(lines: Iterable[Mapping[str, Any]]) -> str:
    return ''.join(
        json.dumps(_without_nan(line), default=str, allow_nan=False) + '\n'
        for line in lines
    )


def follow_folders(moved: Mapping[Path, Path], out: Path) -> None:
    """Let ``out/results.jsonl`` name the folders of runs by their new names.

    Args:
        moved: New paths of folders by their old ones.
        out: Folder of the study.

    Raises:
        InputError: The file is missing, or holds no results.
    """
    path = out / 'results.jsonl'
    names = {
        os.path.relpath(old, out): os.path.relpath(new, out)
        for old, new in moved.items()
    }
    lines = [dict(result.line) for result in read_results(path).values()]
    for line in lines:
        old = line.get('work_dir')
        if old in names:
            line['work_dir'] = names[old]
            line['files'] = [f.replace(old, names[old], 1) for f in line['files']]
    _write_lines(path, lines)


def _finished_line(run: Entry, record: Record, out: Path) -> dict[str, Any]:
    curves = asdict(read_curves(run.work_dir))
    del curves['training']  # hundreds of numbers, which the logs in `files` hold
    counts = out / 'per_image' / f'{run.work_dir.name}.npz'
    if (per_image := run.work_dir / PER_IMAGE).exists():
        with whole_file(counts) as temporary:
            shutil.copyfile(per_image, temporary)
    return {
        **asdict(record),
        'row': run.row,  # the record may be of another row with the same settings
        'status': 'done',
        'work_dir': os.path.relpath(run.work_dir, out),
        'max_iters': run.max_iters,
        'overrides': run.overrides,
        'resolved_config': run.settings,
        **curves,
        'files': [os.path.relpath(path, out) for path in curves['files']],
        'per_image': os.path.relpath(counts, out) if counts.exists() else None,
    }


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
    """Put None where there is no number, which JSON cannot say otherwise."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_results(path: Path, missing_ok: bool = False) -> dict[tuple[str, int], Result]:
    """Results by (row, seed) of a ``results.jsonl``.

    Args:
        path: The file.
        missing_ok: Whether there need not be one.

    Raises:
        InputError: It is missing, or no such file.
    """
    if missing_ok and not path.exists():
        return {}
    if not path.exists():
        raise InputError(f'{path}: no results yet; run the study first')
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return {(line['row'], line['seed']): _result(line, path) for line in lines}
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f'{path}: not results ({error}); delete it and run again'
        ) from error


def _result(line: dict[str, Any], path: Path) -> Result:
    if line['status'] == 'failed':
        return Result('failed', line=line)
    metrics = _with_nan(line['metrics'])
    counts = path.parent / line['per_image'] if line['per_image'] else None
    return Result(
        status='done',
        version=line['version'],
        metrics=metrics,
        final=line['final'],
        # A file of results may travel without the runs' folders.
        per_image=counts if counts and counts.exists() else None,
        validations={int(i): _with_nan(v) for i, v in line['validations'].items()},
        line=line,
    )


def _with_nan(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {k: math.nan if v is None else v for k, v in metrics.items()}
