import copy
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import case_of
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from torch import nn

from cfcontra_mm.contract.jobs import training_config
from cfcontra_mm.engine import FiniteLossHook
from cfcontra_mm.engine.finite_losses import check_before_saving, stacked
from cfcontra_mm.errors import InputError

NAN, INF = float('nan'), float('inf')


class Training:
    """As much of a runner as the hook looks at."""

    def __init__(self, **options):
        self.hook = FiniteLossHook(**dict(dict(interval=10), **options))
        self.hooks = [self.hook]
        self.model = nn.Linear(2, 2)
        self.iter, self.max_iters = 0, 1000
        self.work_dir = 'work'
        self.message_hub = SimpleNamespace(runtime_info={})

    def step(self, **losses):
        sample = SegDataSample(metainfo=dict(img_path=f'{self.iter + 1}.png'))
        batch = dict(inputs=[torch.full((3, 2, 2), self.iter)], data_samples=[sample])
        self.hook.before_train_iter(self, self.iter, batch)
        self.hook.after_train_iter(self, self.iter, batch, losses)
        self.iter += 1


@pytest.mark.parametrize('value', [NAN, INF, -INF])
def test_the_first_bad_iteration_is_named_at_the_next_check(value):
    training = Training(interval=5)
    training.step(loss=torch.tensor(1.0), entropy=0.5)
    training.step(loss=torch.tensor(2.0), entropy=torch.tensor(value))
    training.step(loss=torch.tensor(NAN), entropy=torch.tensor(NAN))
    training.step(loss=1.0)
    with pytest.raises(
        InputError,
        match=r'iteration 2 \(images 2\.png\): entropy not finite; lower optim_wrapper',
    ):
        training.step(loss=1.0)


@pytest.mark.parametrize('place', ['before_val', 'check_weights'])
def test_losses_are_checked_before_a_validation_and_a_checkpoint(place):
    training = Training(interval=1000)
    training.step(loss=torch.tensor(INF))
    with pytest.raises(InputError, match=r'iteration 1 .*: loss not finite'):
        getattr(training.hook, place)(training)


@pytest.mark.parametrize('checked', [False, True])
def test_weights_are_checked_before_they_are_saved(checked):
    training = Training(interval=1 if checked else 1000)
    training.step(loss=1.0)
    check_before_saving(training)
    with torch.no_grad():
        training.model.weight[0, 0] = NAN
    training.step(loss=1.0)
    with pytest.raises(
        InputError, match=r'iteration 2 .*: 1 weights .* such as weight'
    ):
        check_before_saving(training)


def test_losses_are_checked_at_the_last_iteration():
    training = Training(interval=1000)
    training.max_iters = 1
    with pytest.raises(InputError, match=r'iteration 1 .*: loss not finite'):
        training.step(loss=NAN)


def test_large_losses_of_any_kind_go_on():
    training = Training(interval=1)
    training.step(loss=torch.tensor(1e30), accuracy=torch.tensor([3.0]), number=2)


def test_no_value_is_read_between_checks():
    training = Training(interval=1000)
    # Tensors without data cannot be read.
    for _ in range(20):
        training.step(loss=torch.ones((), device='meta'))
    assert len(training.hook.unchecked) == 20


def test_the_message_names_the_last_finite_weights():
    training = Training(interval=1)
    training.message_hub.runtime_info['last_ckpt'] = 'work/iter_4.pth'
    with pytest.raises(InputError, match=r'load_from=work/iter_4.pth and another'):
        training.step(loss=NAN)


def test_the_batch_and_the_random_state_are_written(tmp_path):
    file = tmp_path / 'nan.pth'
    training = Training(interval=1, debug_file=str(file))
    training.step(loss=1.0)
    state = random.getstate(), np.random.get_state()[1], torch.get_rng_state()
    with pytest.raises(InputError, match=r'its batch is in .*nan\.pth'):
        training.step(loss=NAN, entropy=1.0)
    found = torch.load(file)
    assert found['iteration'] == 2
    assert np.isnan(found['losses']['loss'])
    assert found['inputs'][0].unique() == 1
    assert '2.png' in found['metainfo'][0]
    assert found['random_state']['python'] == state[0]
    assert found['random_state']['numpy'][1] == state[1].tolist()
    assert torch.equal(found['random_state']['torch'], state[2])


def test_stacked():
    values = dict(a=torch.tensor(1.0, requires_grad=True), b=2, c=torch.tensor(3))
    assert torch.equal(stacked(values), torch.tensor([1.0, 2.0, 3.0]))
    assert not stacked(values).requires_grad


@pytest.mark.slow
@pytest.mark.parametrize('interval', [1, 50])
def test_no_poisoned_checkpoint_pushes_out_a_good_one(toystreets, tmp_path, interval):
    options = {
        'train_cfg.max_iters': 2,
        'default_hooks.checkpoint.interval': 1,
        'default_hooks.checkpoint.max_keep_ckpts': 1,
        'default_hooks.finite_loss.interval': interval,
    }
    cfg = training_config(case_of('minent'), str(toystreets), str(tmp_path), options)
    Runner.from_cfg(copy.deepcopy(cfg)).train()
    assert [p.name for p in tmp_path.glob('*.pth')] == ['iter_2.pth']
    before = (tmp_path / 'iter_2.pth').read_bytes()
    cfg.load_from, cfg.resume = str(tmp_path / 'iter_2.pth'), True
    cfg.train_cfg.max_iters = 6
    cfg.experiment_name = 'again'
    runner = Runner.from_cfg(cfg)
    train_step = runner.model.train_step

    def poisoned(*args, **kwargs):
        log = train_step(*args, **kwargs)
        with torch.no_grad():
            next(runner.model.parameters()).fill_(INF)
        return log

    runner.model.train_step = poisoned
    with pytest.raises(InputError, match=r'weights not finite'):
        runner.train()
    assert (tmp_path / 'iter_2.pth').read_bytes() == before
    assert [p.name for p in tmp_path.glob('*.pth')] == ['iter_2.pth']
