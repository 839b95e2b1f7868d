"""A study from start to table."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cfcontra_mm import version
from cfcontra_mm.datasets.toystreets import write_toystreets
from cfcontra_mm.errors import InputError

from .launch import Job, Pool, device_environments, finished_status
from .progress import ProgressPrinter, format_seconds, progress_line
from .results import Record, read_record
from .sheet import draw_sheet, load_samples
from .study import Run, Study, plan_runs
from .tables import csv_table, markdown_table, summarize, terminal_table

POLL_SECONDS = 0.5
SHEET_ROWS = 4
LOG_TAIL_LINES = 12


def run_study(
    study: Study,
    out: Path,
    tools: Path,
    seeds: Sequence[int] = (),
    only: Sequence[str] = (),
) -> int:
    """Train and test what is unfinished, then print and write the table.

    Writes ``table.md``, ``table.csv``, ``sheet.png`` and ``runs/`` into ``out``.

    Args:
        study: What to compare.
        out: Folder of the study's results.
        tools: Folder of ``train.py`` and ``test.py``.
        seeds: In place of the study's seeds.
        only: Start only these rows; the table shows all that are finished.

    Returns:
        Exit status: 0, 1 if a run failed, 130 if interrupted.

    Raises:
        InputError: A config or ``only`` is wrong, or ``out`` is in use.
    """
    _check_names(only, study)
    seeds = tuple(dict.fromkeys(seeds or study.seeds))
    runs = plan_runs(study, seeds, out)
    printer = ProgressPrinter()
    with _lock(out) as lock, _terminable():
        try:
            _write_data(study.data, printer)
            chosen = [run for run in runs if not only or run.row in only]
            failed = _finish_runs(chosen, tools, printer, lock)
        except KeyboardInterrupt:
            printer.message('Stopped. The same command continues where it ended.')
            return 130
        printer.message('All runs have ended.')
        _write_results(study, seeds, runs, {job.run.key for job in failed}, out)
    _print_failures(failed)
    return 1 if failed else 0


def _finish_runs(
    runs: Sequence[Run], tools: Path, printer: ProgressPrinter, lock: TextIO
) -> list[Job]:
    """Bring every run to its record; return the jobs that failed."""
    records = {run: read_record(run) for run in runs}
    unfinished = [run for run, record in records.items() if record is None]
    finished = [finished_status(run, r) for run, r in records.items() if r is not None]
    printer.message(f'{len(finished)} of {len(runs)} runs are finished')
    environments = device_environments(len(runs))
    pool = Pool(unfinished, tools, environments, keep_open=[lock.fileno()])
    try:
        while pool.busy():
            for job in pool.step():
                printer.message(_outcome(job))
            statuses = finished + pool.statuses()
            printer.update(progress_line(statuses, pool.num_workers))
            time.sleep(POLL_SECONDS)
    finally:
        pool.stop()
    return [job for job in pool.ended if job.record is None]


def _outcome(job: Job) -> str:
    if job.record is None:
        return f'{job.run.label} failed: {job.error}'
    duration = format_seconds(job.record.wall_seconds)
    return f'{job.run.label}: mIoU {job.record.metrics["mIoU"]:.1f} ({duration})'


def _write_results(
    study: Study,
    seeds: Sequence[int],
    runs: Sequence[Run],
    failed: set[tuple[str, int]],
    out: Path,
) -> None:
    records = {run.key: record for run in runs if (record := read_record(run))}
    summaries = summarize(study, seeds, records, failed)
    caption = _caption(seeds, records)
    print(f'{terminal_table(summaries)}\n{caption}')
    _write(out / 'table.md', f'{markdown_table(summaries)}\n\n{caption}\n')
    _write(out / 'table.csv', csv_table(summaries, seeds))
    predictions = {
        run.row: run.predictions if run.key in records else None
        for run in runs
        if run.seed == seeds[0]
    }
    sheet = draw_sheet(load_samples(study.rows[0].config, SHEET_ROWS), predictions)
    sheet.save(out / 'sheet.tmp.png')
    os.replace(out / 'sheet.tmp.png', out / 'sheet.png')
    print(f'Written: {out}/table.md, table.csv, sheet.png')


def _caption(seeds: Sequence[int], records: dict[tuple[str, int], Record]) -> str:
    versions = sorted({record.version for record in records.values()})
    spread = ', mean ± standard deviation' if len(seeds) > 1 else ''
    return (
        'IoU in percent on the validation images of the target, last checkpoint, '
        f'seed {", ".join(map(str, seeds))}{spread}; '
        f'cfcontra_mm {", ".join(versions) or version.__version__}'
    )


def _print_failures(failed: Sequence[Job]) -> None:
    for job in failed:
        lines = job.run.log.read_text(errors='replace').splitlines()
        print(f'\n{job.run.label} failed: {job.error}. Its log {job.run.log} ends:')
        print('\n'.join(f'  {line}' for line in lines[-LOG_TAIL_LINES:]))


def _write_data(data: dict, printer: ProgressPrinter) -> None:
    """Write what is missing of ToyStreets."""
    start = time.monotonic()

    def show(done: int, total: int) -> None:
        elapsed = time.monotonic() - start
        if elapsed > 1:  # not for data that is only looked through
            eta = format_seconds(elapsed / done * (total - done))
            printer.update(f'{data["root"]}: {done}/{total} pictures | ETA {eta}')

    write_toystreets(**data, progress=show)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + '.tmp')
    temporary.write_text(text)
    os.replace(temporary, path)


def _check_names(only: Sequence[str], study: Study) -> None:
    for name in only:
        if name not in study.row_names():
            raise InputError(
                f'--only {name}: no such row; choose from '
                f'{", ".join(study.row_names())}'
            )


@contextmanager
def _lock(out: Path) -> Iterator[TextIO]:
    """Hold a folder for one study at a time.

    The runs inherit the lock, so it also guards against runs that outlived a study
    which was killed.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / '.lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f'{out}: runs of this folder are still under way; wait for them or '
                'choose another with --out'
            ) from None
        yield lock


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a termination, or the closing of the terminal, end the runs like Ctrl-C."""
    signals = (signal.SIGTERM, signal.SIGHUP)
    previous = [signal.signal(s, signal.default_int_handler) for s in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, previous, strict=True):
            signal.signal(number, handler)
