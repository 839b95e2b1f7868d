"""Overview of a study before it starts: its runs, their states and the time left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from prettytable import PrettyTable

from cfcontra_mm.benchmark.results import Result, read_results
from cfcontra_mm.benchmark.study import Study

from .plan import choose_runs, distinct_runs, plan_runs
from .pool import device_environments, finished_status
from .preparations import unfinished_needs
from .progress import Status, format_seconds, seconds_left
from .step import Step


def overview(
    study: Study,
    out: Path,
    seeds: Sequence[int] = (),
    only: Sequence[str] = (),
    rerun: Sequence[str] = (),
) -> str:
    """List the runs of a study with an estimate of their time; write nothing.

    Args:
        study: The study.
        out: Folder of the study's results.
        seeds: Seeds to use instead of the study's.
        only: Rows to list instead of all.
        rerun: Rows that would be trained again.

    Raises:
        InputError: A config, ``only`` or ``rerun`` is invalid.
    """
    seeds = tuple(dict.fromkeys(seeds or study.seeds))
    planned = plan_runs(study, seeds, out)
    chosen, again = map(distinct_runs, choose_runs(study, planned, only, rerun))
    anew = {run.identity for run in again}
    results = read_results(out / 'results.jsonl', missing_ok=True)
    records = {run: run.noted(results, out) for run in distinct_runs(planned)}
    found = {r.identity: finished_status(r, n) for r, n in records.items() if n}
    finished = {i: status for i, status in found.items() if i not in anew}
    unfinished = [run for run in chosen if run.identity not in finished]
    steps = [*unfinished_needs(unfinished), *unfinished]
    queued = [_queued(step, step.identity in anew) for step in steps]
    failed = _failed(results)
    wanted = [*only, *rerun] if only else study.row_names()
    waiting = [r.name for r in study.measured() if r.is_open and r.name in wanted]
    table = PrettyTable(['run', 'state', 'iterations'], align='l')
    for run in chosen:
        if run.identity in finished:
            # An earlier row may have the same config hash, hence the same run.
            table.add_row(_cells(replace(finished[run.identity], label=run.label)))
    for step, status in zip(steps, queued, strict=True):
        table.add_row(_cells(status, step.identity in failed - anew))
    for name in waiting:
        table.add_row([name, 'after its trials', '-'])
    if waiting and not queued:
        return table.get_string()
    return f'{table.get_string()}\n{_estimate([*finished.values()], queued)}'


def _failed(results: Mapping[tuple[str, int], Result]) -> set[str]:
    """Return the config hashes of the runs whose last attempt failed."""
    failed = (r.line for r in results.values() if r.status == 'failed')
    return {line.get('identity', '') for line in failed}


def _queued(step: Step, anew: bool) -> Status:
    iteration = 0 if anew else step.iteration()
    return Status(step.label, 'queued', iteration, step.max_iters, None)


def _cells(status: Status, failed: bool = False) -> list[str]:
    if status.state == 'done':
        state = 'finished'
    else:
        states = ['failed'] * failed + ['resumable'] * (status.iteration > 0)
        state = ', '.join(states) or 'new'
    counted = f'{status.iteration}/{status.max_iters}' if status.max_iters else '-'
    return [status.label, state, counted]


def _estimate(finished: Sequence[Status], queued: Sequence[Status]) -> str:
    if not queued:
        return 'Nothing is left to run.'
    workers = len(device_environments(len(queued)))
    seconds = seconds_left([*finished, *queued], workers)
    if seconds is None:
        return 'No time estimate: no run has finished yet.'
    return f'About {format_seconds(seconds)} of training, {workers} runs at a time.'
