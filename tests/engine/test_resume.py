"""What a short training logs and where it stops; that it resumes is in the contract."""

import re

import pytest
import torch
from helpers import case_of, registered_methods
from mmengine.runner import Runner

from cfcontra_mm.contract.cases import shipped_cases
from cfcontra_mm.contract.jobs import run_jobs, train, training_config
from cfcontra_mm.errors import InputError

pytestmark = pytest.mark.slow
ADVERSARIAL = [
    case
    for case in shipped_cases()
    if case.network == 'deeplab'
    and 'optim_wrapper.discriminator' in registered_methods()[case.method].own_settings
]


@pytest.mark.parametrize('case', ADVERSARIAL, ids=str)
def test_both_learning_rates_are_logged_and_decay(case, toystreets, tmp_path):
    run_jobs(train, [(case, str(toystreets), str(tmp_path), {})])
    checkpoint = torch.load(tmp_path / 'iter_4.pth', weights_only=False)
    log = checkpoint['message_hub']['log_scalars']
    for name, start in (('segmentor', 1e-3), ('discriminator', 1e-4)):
        rates = log[f'train/{name}.lr']._log_history
        expected = [start * (1 - i / 399) ** 0.9 for i in range(4)]
        assert list(rates) == pytest.approx(expected, rel=1e-4)
    text = ''.join(log.read_text() for log in tmp_path.glob('*/*.log'))
    assert re.search('segmentor.lr: .* discriminator.lr: ', text)


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(toystreets, tmp_path):
    options = {
        'optim_wrapper.optimizer.lr': 1e30,
        'default_hooks.finite_loss.interval': 1,
    }
    cfg = training_config(case_of('minent'), str(toystreets), str(tmp_path), options)
    with pytest.raises(InputError, match='loss'):
        Runner.from_cfg(cfg).train()
    assert not list(tmp_path.glob('*.pth'))


def test_the_default_hooks_are_those_of_the_config(toystreets, tmp_path):
    cfg = training_config(case_of('minent'), str(toystreets), str(tmp_path), {})
    hooks = cfg.default_hooks
    assert hooks.validation_random_state.type == 'ValidationRandomStateHook'
    assert hooks.finite_loss.type == 'FiniteLossHook'
