"""Logs of a training: its curves, its speed and its memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

SHARE = 'share/'
"""Prefix of a term's share of the gradient in percent, see ``LossSharesHook``."""

# Keys of an entry that measure nothing of the network.
BOOKKEEPING = ('iter', 'step', 'time', 'data_time', 'memory', 'lr')


@dataclass(frozen=True)
class Curves:
    """The curves of one training, over all its resumes.

    Args:
        files: Log files, the oldest first.
        validations: Metrics of every validation, by iteration.
        final: Means of the logged values over the last tenth of the iterations.
        iterations_per_second: Mean speed; ``None`` if the training logged nothing.
        peak_memory_mib: Peak memory of the accelerator; ``None`` without one.
        training: Logged values of the training, losses and others, by iteration.
        loss_shares: Largest share of each term of the loss in the gradient, in percent,
            over all measurements.
    """

    files: tuple[Path, ...]
    validations: dict[int, dict[str, float]]
    final: dict[str, float]
    iterations_per_second: float | None
    peak_memory_mib: float | None
    training: dict[int, dict[str, float]] = field(default_factory=dict)
    loss_shares: dict[str, float] = field(default_factory=dict)


def read_curves(work_dir: Path) -> Curves:
    """Read the curves of a training; a resume replaces the iterations it repeats."""
    files = log_files(work_dir)
    entries = [entry for path in files for entry in read_entries(path)]
    steps: dict[int, dict] = {}
    for entry in entries:
        if 'iter' in entry:  # an iteration may have several
            steps.setdefault(entry['iter'], {}).update(entry)
    seconds = [entry['time'] for entry in steps.values() if 'time' in entry]
    memory = [entry['memory'] for entry in steps.values() if 'memory' in entry]
    return Curves(
        files=tuple(files),
        validations={e['step']: _measured(e) for e in entries if 'iter' not in e},
        final=_final_means(steps),
        iterations_per_second=1 / fmean(seconds) if any(seconds) else None,
        peak_memory_mib=max(memory, default=None),
        training={i: _measured(entry) for i, entry in steps.items()},
        loss_shares=_largest_shares(steps.values()),
    )


def log_files(work_dir: Path) -> list[Path]:
    """Return MMEngine's logs in a folder, one per start of a training, oldest first."""
    return sorted(work_dir.glob('*/vis_data/scalars.json'))


def read_entries(path: Path) -> list[dict]:
    """Read the entries of a log; a half-written last one is skipped."""
    entries = []
    for line in path.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def _measured(entry: dict) -> dict[str, float]:
    return {key: value for key, value in entry.items() if key not in BOOKKEEPING}


def _largest_shares(steps: Iterable[dict]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for entry in steps:
        for key in filter(lambda key: key.startswith(SHARE), entry):
            term = key.removeprefix(SHARE)
            largest[term] = max(entry[key], largest.get(term, 0.0))
    return largest


def _final_means(steps: dict[int, dict]) -> dict[str, float]:
    last = [e for i, e in steps.items() if i > 0.9 * max(steps)]
    columns: dict[str, list[float]] = {}
    for entry in last:
        for key, value in _measured(entry).items():
            columns.setdefault(key, []).append(value)
    return {key: fmean(values) for key, values in columns.items()}
