"""Train and compare the rows of a study: one command, one table."""

import argparse
from pathlib import Path

from cfcontra_mm.benchmark import (
    exit_status,
    load_study,
    load_trials,
    run_with_trials,
    search_overview,
    stopped,
    with_choices,
    write_search,
    write_tables,
)
from cfcontra_mm.benchmark.runs.cluster import Cluster
from cfcontra_mm.benchmark.runs.ray_cluster import RayCluster
from cfcontra_mm.benchmark.runs.slurm_cluster import SlurmCluster
from cfcontra_mm.command_line import (
    ArgumentParser,
    add_network_arguments,
    add_options_argument,
    command_line,
    output_folder,
    seed,
)
from cfcontra_mm.report import write_report, write_sheet
from cfcontra_mm.values import parse_word


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        'study', type=Path, help='for example configs/studies/table2_gta2city.py'
    )
    add_network_arguments(parser)
    parser.add_argument(
        '--seeds', type=seed, nargs='+', default=[], help="default: the study's own"
    )
    parser.add_argument(
        '--only', nargs='+', default=[], metavar='NAME', help='run only these rows'
    )
    parser.add_argument(
        '--rerun',
        nargs='+',
        default=[],
        metavar='NAME',
        help='train these rows again from the start, even if they are finished; their '
        'old folders are renamed',
    )
    parser.add_argument('--out', type=output_folder, help='default: work_dirs/STUDY')
    parser.add_argument(
        '--launcher',
        choices=('local', 'ray', 'slurm'),
        default='local',
        help='where to run the steps; default: the GPUs or CPU cores of this machine',
    )
    add_options_argument(
        parser,
        '--slurm',
        'parameters of submitit, for example slurm_partition=gpu timeout_min=2880',
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--dry-run', action='store_true', help='list the runs and estimate their time'
    )
    what.add_argument(
        '--tables-only',
        action='store_true',
        help='make tables and report from results.jsonl',
    )
    args = parser.parse_args()
    if args.slurm and args.launcher != 'slurm':
        parser.error('--slurm: needs --launcher slurm; add it')
    if args.rerun and args.tables_only:
        parser.error('--rerun: cannot be combined with --tables-only; remove one')
    return args


def open_cluster(launcher: str, out: Path, options: dict) -> Cluster | None:
    if launcher == 'ray':
        return RayCluster()
    if launcher == 'local':
        return None
    values = {key: parse_word(text) for key, text in options.items()}
    return SlurmCluster(out / 'slurm', values)


def work(args: argparse.Namespace) -> int:
    study = load_study(args.study, args.network, args.pair)
    trials = load_trials(args.study, args.network, args.pair)
    out = Path(args.out or Path('work_dirs', study.name))
    if args.dry_run:
        print(search_overview(study, trials, out, args.seeds, args.only, args.rerun))
        return 0
    if args.tables_only:
        study = with_choices(study, trials, out)
        write_tables(study, out, args.seeds)
        status = 0
    else:
        tools = Path(__file__).resolve().parent
        cluster = open_cluster(args.launcher, out, args.slurm)
        study, status = run_with_trials(
            study, trials, out, tools, args.seeds, args.only, cluster, args.rerun
        )
        if status > 128:  # a signal
            return status
        print(write_sheet(study, out, args.seeds))
    write_search(study, trials, out)
    print(f'Written: {write_report(study, out, args.seeds)}')
    return status


@command_line
def main() -> int:
    args = parse_args()
    try:
        return work(args)
    except KeyboardInterrupt as stop:
        print(stopped(bool(args.rerun)))
        return exit_status(stop)


if __name__ == '__main__':
    main()
