"""Run a study and make its table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from cfcontra_mm.benchmark.results.records import Record
from cfcontra_mm.benchmark.results.results_file import (
    follow_folders,
    read_results,
    write_results,
)
from cfcontra_mm.benchmark.study import Study
from cfcontra_mm.benchmark.tables.write import write_tables
from cfcontra_mm.files import locked
from cfcontra_mm.toystreets import write_toystreets

from .cluster import Cluster, ClusterPool
from .feature_step import FeatureStep, missing_features
from .guards import exit_status, own_folders, refuse_jobs, terminable
from .plan import choose_runs, distinct_runs, plan_runs
from .pool import Job, Pool, device_environments, finished_status
from .preparations import unfinished_needs
from .progress import ProgressPrinter, Status, format_seconds
from .run import Run
from .step import Step

POLL_SECONDS = 0.5
LOG_TAIL_LINES = 12
# Starts a pool, given the steps and the locks of their folders.
StartPool = Callable[[Sequence[Step], Sequence[TextIO]], Pool]
Records = Mapping[Run, Record | None]


def run_study(
    study: Study,
    out: Path,
    tools: Path,
    seeds: Sequence[int] = (),
    only: Sequence[str] = (),
    cluster: Cluster | None = None,
    rerun: Sequence[str] = (),
) -> int:
    """Train and test all unfinished runs, then print and write the table.

    Writes ``results.jsonl``, the table and the logs of ``preparations/`` into ``out``.
    The folders of the runs are in ``runs/`` beside ``out``, which studies share;
    preparations write to the folders that the configs refer to.

    Args:
        study: The study.
        out: Folder of the study's results.
        tools: Folder of ``train.py`` and the other tools.
        seeds: Seeds to use instead of the study's.
        only: Run only these rows and what they need; the table shows every finished
            row.
        cluster: Scheduler that runs the steps; None for this machine's devices.
        rerun: Train these rows again from the start. Their folders are renamed, and
            their figures stay in the results until there are new ones.

    Returns:
        Exit status: 0, 1 if a step failed, 128 + the number of the signal that ended
        it, so 130 for Ctrl-C.

    Raises:
        InputError: A config, ``only`` or ``rerun`` is invalid, ``out`` or the folder of
            a step is in use, or that of a preparation has a different config hash.
    """
    seeds = tuple(dict.fromkeys(seeds or study.seeds))
    # The other seeds too, so that their results are kept.
    runs = plan_runs(study, _all_seeds(study, seeds, out), out)
    write = partial(
        write_results,
        [run.entry for run in runs],
        out=out,
        open_rows=[row.name for row in study.rows if row.is_open],
    )
    chosen = [run for run in runs if run.seed in seeds]
    wanted, again = choose_runs(study, chosen, only, rerun)
    busy = (
        f'{out}: runs of this study are still in progress; wait for them or choose '
        'another folder with --out'
    )
    with locked(out / '.lock', busy) as lock, terminable():
        if again:
            write({})
            _set_aside(again, out)
        start = partial(_start, tools=tools, cluster=cluster, lock=lock)
        records = _records(wanted, again, out)
        failed, status = _run_all(study, wanted, records, seeds[0], start)
        errors = {job.step.identity: job.error for job in failed}
        write(errors)
        if status:
            print(stopped(bool(rerun)))
            return status
        print('All runs have ended.')
        write_tables(study, out, seeds)
        _print_failures(failed)
    return 1 if failed else 0


def stopped(rerun: bool) -> str:
    """Return the message after a signal; ``rerun`` tells of the option ``--rerun``."""
    command = 'The same command without --rerun' if rerun else 'The same command'
    return f'Stopped. {command} continues from here.'


def _set_aside(runs: Sequence[Run], out: Path) -> None:
    """Rename the folders of runs, so that they are trained from the start."""
    runs = distinct_runs(runs)
    steps = [*runs, *map(FeatureStep.of, runs)]
    refuse_jobs(steps)
    moved = {}
    with own_folders(steps):
        for run in runs:
            if aside := run.set_aside():
                moved[run.work_dir] = aside
                print(f'{run.label} is trained again; its old folder is now {aside}')
    follow_folders(moved, out)


def _all_seeds(study: Study, seeds: Sequence[int], out: Path) -> tuple[int, ...]:
    """Return these seeds, the study's and those that have results."""
    known = [seed for _, seed in read_results(out / 'results.jsonl', missing_ok=True)]
    return tuple(sorted({*seeds, *study.seeds, *known}))


def _records(runs: Sequence[Run], again: Sequence[Run], out: Path) -> Records:
    """Return the record of every run, None for those that are unfinished."""
    results = read_results(out / 'results.jsonl', missing_ok=True)
    anew = {run.identity for run in again}
    return {
        run: run.record() if run.identity in anew else run.noted(results, out)
        for run in distinct_runs(runs)
    }


def _run_all(
    study: Study,
    runs: Sequence[Run],
    records: Records,
    feature_seed: int,
    start: StartPool,
) -> tuple[list[Job], int]:
    """Finish runs; return the failed jobs, and the exit status if a signal ended it."""
    failed: list[Job] = []
    try:
        with ProgressPrinter() as printer:
            if study.data:
                _write_data(study.data, printer)
            # Of a run whose folder is gone there is nothing to collect.
            gone = {
                r.identity for r in records if records[r] and not r.work_dir.is_dir()
            }
            here = [run for run in runs if run.identity not in gone]
            features = missing_features(study, here, feature_seed)
            _finish_runs(records, features, start, printer, failed)
    except KeyboardInterrupt as stop:
        return failed, exit_status(stop)
    return failed, 0


def _finish_runs(
    records: Records,
    features: Sequence[FeatureStep],
    start: StartPool,
    printer: ProgressPrinter,
    failed: list[Job],
) -> None:
    """Finish every run and its features; append the failed jobs to ``failed``."""
    unfinished = [run for run, record in records.items() if record is None]
    finished = [finished_status(run, r) for run, r in records.items() if r is not None]
    preparations = unfinished_needs(unfinished)
    printer.message(_overview(len(finished), len(records), preparations))
    steps = [*preparations, *unfinished, *features]
    with own_folders(steps) as locks:
        _run_pool(start(steps, locks), finished, printer, failed)


def _start(
    steps: Sequence[Step],
    locks: Sequence[TextIO],
    tools: Path,
    cluster: Cluster | None,
    lock: TextIO,
) -> Pool:
    if not (cluster and cluster.finds_jobs_again):
        refuse_jobs(steps)
    if cluster:
        return ClusterPool(steps, tools, cluster)
    keep_open = [file.fileno() for file in (lock, *locks)]
    return Pool(steps, tools, device_environments(len(steps)), keep_open)


def _overview(finished: int, total: int, preparations: Sequence[Step]) -> str:
    text = f'{finished} of {total} runs are finished'
    names = ', '.join(step.label for step in preparations)
    return f'{text}; the others first need: {names}' if names else text


def _run_pool(
    pool: Pool,
    finished: Sequence[Status],
    printer: ProgressPrinter,
    failed: list[Job],
) -> None:
    """Run all steps and show their progress."""
    try:
        while pool.busy():
            for job in pool.step():
                if job.state == 'failed':
                    failed.append(job)
                printer.message(_outcome(job))
            statuses = [*finished, *pool.statuses()]
            printer.show(statuses, pool.num_workers)
            time.sleep(POLL_SECONDS)
    finally:
        pool.stop()


def _outcome(job: Job) -> str:
    if job.state == 'failed':
        return f'{job.step.label} failed: {job.error}'
    crash = f', restarted once: {job.crash}' if job.crash else ''
    return f'{job.step.label}: {job.outcome} ({format_seconds(job.seconds)}){crash}'


def _print_failures(failed: Sequence[Job]) -> None:
    for job in failed:
        print(f'\n{_outcome(job)}')
        if job.started < math.inf and job.step.log.exists():
            lines = job.step.log.read_text(errors='replace').splitlines()
            print(f'Last lines of {job.step.log}:')
            print('\n'.join(f'  {line}' for line in lines[-LOG_TAIL_LINES:]))


def _write_data(data: dict[str, Any], printer: ProgressPrinter) -> None:
    """Write the missing part of ToyStreets."""
    start = time.monotonic()

    def show(done: int, total: int) -> None:
        elapsed = time.monotonic() - start
        if elapsed > 1:  # not if the data exists and is only checked
            eta = format_seconds(elapsed / done * (total - done))
            printer.update(f'{data["root"]}: {done}/{total} images | ETA {eta}')

    write_toystreets(**data, progress=show)
