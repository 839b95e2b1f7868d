"""What a finished run leaves behind: one small JSON file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cfcontra_mm import version
from cfcontra_mm.errors import InputError

if TYPE_CHECKING:
    from .steps import Run


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
    """

    row: str
    config: str
    identity: str
    seed: int
    version: str
    metrics: dict[str, float]
    wall_seconds: float
    resumed_from: int

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
    )


def write_record(record: Record, work_dir: Path) -> None:
    """Write ``work_dir/result.json``, whole or not at all."""
    temporary = work_dir / 'result.json.tmp'
    temporary.write_text(json.dumps(asdict(record), indent=2) + '\n')
    os.replace(temporary, work_dir / 'result.json')


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
