"""What studies leave in a checkout: no test may depend on it, or change it.

``python tests/leftovers.py`` plants a finished study, an interrupted one and damaged
files into the data/ and work_dirs/ of this checkout, for the suite to run beside them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ('data', 'work_dirs')
FINISHED, INTERRUPTED, DAMAGED = 'demo_toystreets', 'toystreets', 'camvid'
CUT_OFF = '{"row": "MinEnt", "se'


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file and folder in data/ and work_dirs/."""
    return {
        path: (status.st_size, status.st_mtime_ns)
        for folder in FOLDERS
        for path, status in _walk(root / folder)
    }


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    if folder.exists():
        yield str(folder), folder.stat()
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            yield path, os.lstat(path)


def plant() -> None:
    """Leave in the working directory what three studies would.

    Raises:
        InputError: There is something already.
    """
    from cfcontra_mm.errors import InputError

    for folder in FOLDERS:
        if Path(folder).exists():
            raise InputError(f'{Path.cwd()}/{folder}: is there; plant in a clean clone')
    _finish(FINISHED)
    _interrupt(INTERRUPTED)
    _damage(DAMAGED)
    pair = Path('data/toystreets')
    _write(pair / 'toystreets.unfinished.json', CUT_OFF)
    for name in ('gta5/images/0.png', 'cityscapes/leftImg8bit/val/a/a_leftImg8bit.png'):
        _write(pair / name, '\x89PNG, cut off')


def _runs(name: str) -> list:
    from cfcontra_mm.benchmark import load_study, plan_runs

    study = load_study(Path(f'configs/studies/{name}.py'))
    return plan_runs(study, study.seeds, Path('work_dirs', study.name))


def _finish(name: str) -> None:
    from cfcontra_mm.benchmark.results import write_results
    from cfcontra_mm.benchmark.runs.preparations import unfinished_needs

    runs = _runs(name)
    for step in (*unfinished_needs(runs), *runs):
        step.begin()
        _write(getattr(step, 'product', step.final_checkpoint), 'no weights')
        _write(step.work_dir / 'last_checkpoint', step.final_checkpoint.name)
        _write(step.log, 'The log of a study that has ended.\n')
        _write(step.work_dir / 'test/1/1.json', json.dumps({'mIoU': 1.0}))
        step.finish(1.0, 0)
    write_results([run.entry for run in runs], {}, Path('work_dirs/demo'))


def _interrupt(name: str) -> None:
    for run in _runs(name):
        if not run.work_dir.exists():
            run.begin()
            _write(run.work_dir / 'iter_200.pth', 'no weights')
            _write(run.work_dir / 'last_checkpoint', 'iter_200.pth')
            _write(run.work_dir / '1/vis_data/scalars.json', CUT_OFF)


def _damage(name: str) -> None:
    from cfcontra_mm.benchmark.runs.preparations import unfinished_needs

    runs = _runs(name)
    for run in runs:
        run.begin()
        _write(run.work_dir / 'result.json', CUT_OFF)
    _write(Path('work_dirs', name, 'results.jsonl'), CUT_OFF)
    for step in unfinished_needs(runs):
        _write(step.claim, CUT_OFF)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main() -> None:
    from cfcontra_mm.errors import InputError

    os.chdir(ROOT)
    try:
        plant()
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)


if __name__ == '__main__':
    main()
