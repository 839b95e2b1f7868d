"""The record that a finished run leaves in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import write_whole

from .result_line import check_line

RECORD = 'result.json'
PREDICTIONS = 'predictions'
PER_IMAGE = f'{PREDICTIONS}/per_image.npz'
# Pixel counts under the other treatment of batch normalisation, by its name.
OTHER_PER_IMAGE = {
    name: f'{PREDICTIONS}/per_image_{name}.npz'
    for name in ('running_statistics', 'target_statistics')
}
FEATURES = 'features.npz'
# What a line of the results has in addition, from the logs.
UNTIL_READ = {'status': 'done', 'final': {}, 'validations': {}}


@dataclass(frozen=True)
class Record:
    """Result of one run.

    Args:
        row: Name of the study's row.
        config: Config file.
        identity: Config hash: sha256 of everything that the result depends on.
        seed: Seed of the training.
        version: Version of cfcontra_mm that trained it.
        metrics: ``mIoU`` and ``IoU.<class>`` in percent, as the test printed them; with
            the prefix ``running_statistics/`` or ``target_statistics/`` those under the
            other treatment of batch normalisation. ``statistics/images`` is the number
            of target images that the statistics were estimated on, 0 for running ones,
            and ``statistics/layers`` the number of layers that have them.
        wall_seconds: Duration of training and test, since the last resume.
        resumed_from: Iteration of the last resume, 0 for an uninterrupted run.
        environment: Versions and hardware.
        git: Commit of the package and whether it was dirty; None outside a checkout.
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
    git: dict[str, str | bool | None] | None = None


def write_record(record: Record, work_dir: Path) -> None:
    """Write the record into a run's folder atomically."""
    write_whole(work_dir / RECORD, json.dumps(asdict(record), indent=2) + '\n')


def read_record(work_dir: Path, identity: str) -> Record | None:
    """Read a run's record; None if it is unfinished or has another config hash.

    Raises:
        InputError: The file is not a record.
    """
    path = work_dir / RECORD
    if not path.exists():
        return None
    try:
        record = Record(**json.loads(path.read_text()))
        check_line(asdict(record) | UNTIL_READ, work_dir)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f'{path}: not a result ({error}); delete it') from error
    return record if record.identity == identity else None


def line_record(line: Mapping[str, Any]) -> Record:
    """Return the record that a finished line of the results was made from.

    Args:
        line: The line; what an older one lacks is taken as unknown.
    """
    unknown: dict[str, Any]
    unknown = dict(config='', identity='', wall_seconds=0.0, resumed_from=0)
    known = {
        each.name: line[each.name]
        for each in fields(Record)
        if line.get(each.name) is not None
    }
    return Record(**unknown | known)


def read_metrics(test_dir: Path) -> dict[str, float]:
    """Read the metrics of the newest test that MMEngine wrote below ``test_dir``.

    Raises:
        InputError: There are no metrics, or mIoU is not among them.
    """
    dumps = sorted(test_dir.glob('*/*.json'))
    if not dumps:
        raise InputError(f'{test_dir}: the test wrote no metrics; see its log')
    values = json.loads(dumps[-1].read_text())
    if not isinstance(values.get('mIoU'), float | int):
        raise InputError(
            f'{dumps[-1]}: no mIoU; add an IoU metric to test_evaluator of the config'
        )
    return {
        key: float(value)
        for key, value in values.items()
        if isinstance(value, float | int) and key not in ('time', 'data_time')
    }
