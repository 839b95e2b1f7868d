"""A training that was stopped ends as one that never stopped, bit by bit."""

import re

import pytest
import torch
from helpers import leaves, one_folder_a_method
from train_worker import train, train_elsewhere, training

from cfcontra_mm.errors import InputError

pytestmark = pytest.mark.slow
FOLDERS = one_folder_a_method()
OTHERS = {
    # Resumed after two iterations, by a process of its own.
    'resumed': dict(num_workers=0),
    'resumed_with_workers': dict(num_workers=2),
    # Validated after every iteration.
    'validated': {'train_cfg.val_interval': 1, 'num_workers': 2},
}


@pytest.fixture(scope='module')
def trained(toystreets, tmp_path_factory):
    """Folder of the trainings of all methods, each straight and in other ways."""
    out = tmp_path_factory.mktemp('trained')
    jobs = []
    for folder in FOLDERS:
        for name, options in {'straight': {}, **OTHERS}.items():
            job = dict(folder=folder, root=str(toystreets), **options)
            if 'resumed' in name:
                half = str(out / folder / 'straight' / 'iter_2.pth')
                job |= dict(resume=True, load_from=half)
            jobs.append(job | dict(work_dir=str(out / folder / name)))
    train_elsewhere(jobs)
    return out


def state(out, folder, name, iteration=4):
    path = out / folder / name / f'iter_{iteration}.pth'
    checkpoint = torch.load(path, weights_only=False)
    kept = ('state_dict', 'optimizer', 'param_schedulers')
    return dict(leaves({key: checkpoint[key] for key in kept}))


def different(first, second):
    assert first.keys() == second.keys()
    return {
        key
        for key, value in first.items()
        if not (
            torch.equal(value, second[key])
            if isinstance(value, torch.Tensor)
            else value == second[key]
        )
    }


@pytest.mark.parametrize('name', OTHERS)
@pytest.mark.parametrize('folder', FOLDERS)
def test_ends_as_the_straight_training(trained, folder, name):
    straight = state(trained, folder, 'straight')
    assert different(straight, state(trained, folder, name)) == set()


@pytest.mark.parametrize('folder', FOLDERS)
def test_the_last_iterations_moved_what_is_compared(trained, folder):
    moved = different(
        state(trained, folder, 'straight', 2), state(trained, folder, 'straight', 4)
    )
    parts = ['backbone.conv1.weight', 'decode_head.', 'exp_avg', 'running_mean']
    if folder == 'cfcontra':
        parts += ['projection_head.', 'class_centers.centers']
    if folder in ('adaptsegnet', 'advent', 'clan'):
        parts += ['discriminators.decode', 'optimizer.discriminator.state']
        parts += ['param_schedulers.discriminator', 'param_schedulers.segmentor']
    for part in parts:
        assert any(part in key for key in moved), part


@pytest.mark.parametrize('folder', ['adaptsegnet', 'advent', 'clan'])
def test_both_learning_rates_are_logged_and_decay(trained, folder):
    path = trained / folder / 'straight' / 'iter_4.pth'
    log = torch.load(path, weights_only=False)['message_hub']['log_scalars']
    for name, start in (('segmentor', 1e-3), ('discriminator', 1e-4)):
        rates = log[f'train/{name}.lr']._log_history
        expected = [start * (1 - i / 399) ** 0.9 for i in range(4)]
        assert list(rates) == pytest.approx(expected, rel=1e-4)
    text = ''.join(log.read_text() for log in path.parent.glob('*/*.log'))
    assert re.search('segmentor.lr: .* discriminator.lr: ', text)


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(toystreets, tmp_path):
    options = {
        'optim_wrapper.optimizer.lr': 1e30,
        'default_hooks.finite_loss.interval': 1,
    }
    with pytest.raises(InputError, match='loss'):
        train('minent', str(toystreets), str(tmp_path), **options)
    assert not list(tmp_path.glob('*.pth'))


def test_the_default_hooks_are_those_of_the_config(toystreets, tmp_path):
    hooks = training('minent', str(toystreets), str(tmp_path)).default_hooks
    assert hooks.validation_random_state.type == 'ValidationRandomStateHook'
    assert hooks.finite_loss.type == 'FiniteLossHook'
