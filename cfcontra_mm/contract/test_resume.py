"""A resumed training ends bit by bit like one that was never stopped."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from .cases import Case
from .jobs import run_jobs, train
from .tiny import leaves

pytestmark = pytest.mark.slow
STRAIGHT = {'default_hooks.loss_shares.interval': 1}
OTHERS: dict[str, dict] = {
    # Resumed after two iterations, in a process of its own.
    'resumed': dict(num_workers=2, resume=True),
    # Validated after every iteration, without measuring the losses.
    'validated': {
        'train_cfg.val_interval': 1,
        'default_hooks.loss_shares': None,
        'num_workers': 2,
    },
}


@pytest.fixture(scope='module')
def trained(
    case: Case, tiny_toystreets: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Train a case straight and in other ways; return the folder of the trainings."""
    out = tmp_path_factory.mktemp('trained')
    half = str(out / 'straight' / 'iter_2.pth')
    for name, options in {'straight': STRAIGHT, **OTHERS}.items():
        options = dict(options)
        if options.get('resume'):
            options['load_from'] = half
        run_jobs(train, [(case, str(tiny_toystreets), str(out / name), options)])
    return out


def state(folder: Path, iteration: int = 4) -> dict[str, object]:
    """Return every value that a checkpoint holds, by its dotted path."""
    checkpoint = torch.load(folder / f'iter_{iteration}.pth', weights_only=False)
    kept = ('state_dict', 'running_statistics', 'optimizer', 'param_schedulers')
    return dict(leaves({key: checkpoint.get(key) for key in kept}))


def different(first: dict[str, object], second: dict[str, object]) -> list[str]:
    """Return the keys of the values that differ."""
    assert first.keys() == second.keys()
    return [key for key in first if not same(first[key], second[key])]


def same(first: object, second: object) -> bool:
    """Compare values or tensors."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.equal(first, second)
    return first == second


@pytest.mark.parametrize('name', OTHERS)
def test_ends_as_the_straight_training(trained: Path, name: str) -> None:
    assert different(state(trained / 'straight'), state(trained / name)) == []


def test_the_last_iterations_moved_what_is_compared(trained: Path) -> None:
    straight = trained / 'straight'
    moved = different(state(straight, 2), state(straight))
    for part in ('backbone.', 'decode_head.', 'exp_avg', 'running_mean'):
        assert any(part in key for key in moved), part
