"""What a finished run leaves behind, and the file that gathers a study's runs.

A run writes ``result.json`` into its own folder. ``results.jsonl`` is made from these
files and the runs' logs, a line a run, and is all that tables read.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfcontra_mm import version
from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file

from .provenance import environment

if TYPE_CHECKING:
    from cfcontra_mm.benchmark.runs.step import Run


@dataclass(frozen=True)
class Record:
    """Result of one run.

    Args:
        row: Name of the study's row.
        config: Config file.
        identity: sha256 of all that the result depends on.
        seed: Seed of the training.
        version: Version of cfcontra_mm that trained it.
        metrics: ``mIoU`` and ``IoU.<class>`` in percent, as the test printed them.
        wall_seconds: Time of training and test, since the last resume.
        resumed_from: Iteration of that resume, 0 for a run in one piece.
        environment: Versions and hardware.
        git: Commit of the package, None outside a checkout.
    """

    row: str
    config: str
    identity: str
    seed: int
    version: str
    metrics: dict[str, float]
    wall_seconds: float
    resumed_from: int
    environment: dict[str, str] = field(default_factory=dict)
    git: dict[str, str | bool] | None = None


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


def make_record(run: Run, wall_seconds: float, resumed_from: int) -> Record:
    """The record of a run whose test has just ended.

    Raises:
        InputError: The test wrote no mIoU.
    """
    return Record(
        row=run.row,
        config=run.config,
        identity=run.identity,
        seed=run.seed,
        version=version.__version__,
        metrics=read_metrics(run.work_dir / 'test'),
        wall_seconds=wall_seconds,
        resumed_from=resumed_from,
        environment=environment(),
        git=json.loads(run.git_note.read_text()),
    )


def write_record(record: Record, work_dir: Path) -> None:
    """Write ``work_dir/result.json``, whole or not at all."""
    write_whole(work_dir / 'result.json', json.dumps(asdict(record), indent=2) + '\n')


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that no one ever sees a part of it."""
    with whole_file(path) as temporary:
        temporary.write_text(text)


def read_record(run: Run) -> Record | None:
    """The record of a finished run; None if it is unfinished or another's.

    Raises:
        InputError: The file is no record.
    """
    path = run.work_dir / 'result.json'
    if not path.exists():
        return None
    try:
        record = Record(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f'{path}: not a result ({error}); delete it') from error
    return record if record.identity == run.identity else None


def read_metrics(test_dir: Path) -> dict[str, float]:
    """Numbers of the newest test that MMEngine wrote below ``test_dir``.

    Raises:
        InputError: There is none, or it holds no mIoU.
    """
    dumps = sorted(test_dir.glob('*/*.json'))
    if not dumps:
        raise InputError(f'{test_dir}: the test wrote no metrics; see its log')
    values = json.loads(dumps[-1].read_text())
    if not isinstance(values.get('mIoU'), float | int):
        raise InputError(f'{dumps[-1]}: no mIoU in it; the config needs an IoU metric')
    return {
        key: float(value)
        for key, value in values.items()
        if isinstance(value, float | int) and key not in ('time', 'data_time')
    }


def write_results(runs: Sequence[Run], errors: Mapping[str, str], out: Path) -> None:
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
        if record := read_record(run):
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


def _finished_line(run: Run, record: Record, out: Path) -> dict[str, Any]:
    curves = asdict(read_curves(run.work_dir))
    del curves['training']  # hundreds of numbers, which the logs in `files` hold
    counts = out / 'per_image' / f'{run.work_dir.name}.npz'
    if run.per_image.exists():
        with whole_file(counts) as temporary:
            shutil.copyfile(run.per_image, temporary)
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


def _failed_line(run: Run, error: str) -> dict[str, Any]:
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
