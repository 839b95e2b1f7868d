"""Run the trials of a study before its rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from cfcontra_mm.benchmark.runs.cluster import Cluster
from cfcontra_mm.benchmark.runs.main import run_study
from cfcontra_mm.benchmark.runs.overview import overview
from cfcontra_mm.benchmark.runs.plan import choose_runs, plan_runs
from cfcontra_mm.benchmark.study import Study, TunedRow
from cfcontra_mm.benchmark.study.search import searched_rows, trial_name

from .choose import Identities, check_label_free, trials_folder, with_choices


def run_with_trials(
    study: Study,
    trials: Study | None,
    out: Path,
    tools: Path,
    seeds: Sequence[int] = (),
    only: Sequence[str] = (),
    cluster: Cluster | None = None,
    rerun: Sequence[str] = (),
) -> tuple[Study, int]:
    """Run the trials that rows of a study need, choose their settings, and run them.

    Args:
        study: The study.
        trials: The study of its trials; None if it has none.
        out: Folder of the study's results; the trials' are beside it.
        tools: See :func:`~cfcontra_mm.benchmark.run_study`.
        seeds: Likewise.
        only: Likewise; the trials of other rows are not run.
        cluster: Likewise.
        rerun: Likewise; no trial is run again.

    Returns:
        The study with the chosen settings, and the exit status.

    Raises:
        InputError: See there; or the label-free score is unknown.
    """
    check_label_free(study)
    choose_runs(study, (), only, rerun)  # before the trials: whether the rows exist
    status = 0
    needed = _needed_trials(study, [*only, *rerun] if only else ())
    if trials and needed:
        status = run_study(trials, trials_folder(out), tools, (), needed, cluster)
    if status > 128:  # a signal
        return study, status
    study = with_choices(study, trials, out, _identities(trials, out))
    done = run_study(study, out, tools, seeds, only, cluster, rerun)
    return study, max(status, done)


def _identities(trials: Study | None, out: Path) -> Identities:
    """Return the config hashes that the trials have now, by (row, seed)."""
    if trials is None:
        return {}
    runs = plan_runs(trials, trials.seeds, trials_folder(out))
    return {(run.row, run.seed): run.identity for run in runs}


def _needed_trials(study: Study, only: Collection[str]) -> list[str]:
    """Return the names of the trials of these rows, of all rows if there are none."""
    if not study.development:
        return []
    tuned = [row for row in study.rows if isinstance(row, TunedRow)]
    of = {row.of for row in tuned if not only or row.name in only}
    numbers = range(study.development.trials)
    searched = [row for row in searched_rows(study) if row.name in of]
    return [trial_name(row, number) for row in searched for number in numbers]


def search_overview(
    study: Study,
    trials: Study | None,
    out: Path,
    seeds: Sequence[int] = (),
    only: Sequence[str] = (),
    rerun: Sequence[str] = (),
) -> str:
    """List the trials and the runs of a study; write nothing.

    Args:
        study: The study.
        trials: The study of its trials; None if it has none.
        out: Folder of the study's results.
        seeds: See :func:`~cfcontra_mm.benchmark.overview`.
        only: Likewise.
        rerun: Likewise.

    Raises:
        InputError: See there; or the label-free score is unknown.
    """
    study = with_choices(study, trials, out, _identities(trials, out))
    listed = overview(study, out, seeds, only, rerun)
    needed = _needed_trials(study, [*only, *rerun] if only else ())
    if trials is None or not needed:
        return listed
    first = overview(trials, trials_folder(out), (), needed)
    return f'{first}\n{listed}'
