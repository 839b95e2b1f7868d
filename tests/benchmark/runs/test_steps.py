"""What a step does next, by what its folder holds."""

import json
from pathlib import Path

import pytest

from cfcontra_mm.benchmark.runs.run import Run

VALIDATED = {'val_dataloader': {'type': 'any'}}


@pytest.fixture
def step(tmp_path):
    def make(settings):
        return Run(
            row='a',
            config='a.py',
            seed=3,
            max_iters=20,
            identity='id',
            work_dir=tmp_path / 'a',
            settings=settings,
        )

    (tmp_path / 'a').mkdir()
    return make


def next_commands(step):
    found = step.commands(Path('t'))
    resumes = {name for name, command in found.items() if command[-1] == '--resume'}
    return list(found), resumes


TRAINS, RESUMES, TESTS = (
    (['training', 'testing'], set()),
    (['training', 'testing'], {'training'}),
    (['testing'], set()),
)


@pytest.mark.parametrize(
    ('files', 'iteration', 'expected'),
    [
        ({}, 0, TRAINS),
        ({'iter_10.pth': '', 'last_checkpoint': '/x/iter_10.pth'}, 10, RESUMES),
        # What says which is the last may be missing, damaged or of another place.
        ({'iter_10.pth': ''}, 10, RESUMES),
        ({'iter_10.pth': '', 'last_checkpoint': ''}, 10, RESUMES),
        ({'iter_10.pth': '', 'last_checkpoint': '/gone/iter_15.pth'}, 10, RESUMES),
        ({'iter_5.pth': '', 'iter_10.pth': '', 'best.pth': ''}, 10, RESUMES),
        ({'last_checkpoint': '/gone/iter_15.pth'}, 0, TRAINS),
        ({'iter_10.pth': '', 'iter_20.pth': ''}, 20, TESTS),
    ],
)
def test_training_goes_on_from_what_is_there(step, files, iteration, expected):
    found = step({})
    for name, text in files.items():
        (found.work_dir / name).write_text(text)
    assert (found.iteration(), next_commands(found)) == (iteration, expected)


def log(step, *iterations):
    folder = step.work_dir / '2026' / 'vis_data'
    folder.mkdir(parents=True)
    entries = [{'iter': 20, 'step': 20, 'loss': 1.0}]
    entries += [{'mIoU': 1.0, 'step': iteration} for iteration in iterations]
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, entries)))


@pytest.mark.parametrize(
    ('settings', 'validated', 'expected'),
    [
        (VALIDATED, [10, 20], TESTS),
        (VALIDATED, [10], RESUMES),
        (VALIDATED, [], RESUMES),
        ({'val_dataloader': None}, [], TESTS),
        (VALIDATED | {'train_cfg': {'val_begin': 21}}, [], TESTS),
        (VALIDATED | {'train_cfg': {'val_begin': 20}}, [], RESUMES),
    ],
)
def test_a_training_is_finished_once_it_is_validated(
    step, settings, validated, expected
):
    found = step(settings)
    (found.work_dir / 'iter_20.pth').touch()
    log(found, *validated)
    assert next_commands(found) == expected
