"""Two optimisers step together as two that take turns."""

import copy

import pytest
from alternating import alternate, jointly
from helpers import (
    CONFIGS,
    build_method,
    build_optimizer,
    random_batch,
    tiny_config,
)
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from cfcontra_mm.contract.jobs import RANKS, batch_of, still
from cfcontra_mm.contract.tiny import merged
from cfcontra_mm.engine import JointOptimWrapper, domain_step
from cfcontra_mm.engine.amp import enable_amp
from cfcontra_mm.errors import InputError

ADVERSARIAL = ('adaptsegnet', 'advent', 'clan')
TOLERANCE = 1e-9


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def largest_difference(first, second):
    assert first.keys() == second.keys()
    return max((first[key] - second[key]).abs().max().item() for key in first)


@pytest.fixture(scope='module')
def start():
    """A method in float64 and its config."""
    cfg = jointly(tiny_config('adaptsegnet'))
    return build_method(cfg.model).double(), cfg


@pytest.fixture(scope='module')
def joint(start):
    """The method after five joint steps."""
    model, cfg = copy.deepcopy(start[0]), start[1]
    optim_wrapper = build_optimizer(model, cfg)
    for seed in range(5):
        domain_step(model, random_batch(seed), optim_wrapper)
    return weights(model)


def alternated(model, **kwargs):
    model = copy.deepcopy(model)
    alternate(model, [[random_batch(seed)] for seed in range(5)], **kwargs)
    return weights(model)


def test_joint_steps_are_the_alternating_ones(start, joint):
    before = weights(start[0])
    for part in ('backbone.conv1.weight', 'decode_head.', 'discriminators.aux.0'):
        keys = [key for key in joint if key.startswith(part)]
        assert max((joint[k] - before[k]).abs().max() for k in keys) > 1e-3
    assert largest_difference(joint, alternated(start[0])) < TOLERANCE


def test_predictions_of_after_the_generators_step_would_differ(start, joint):
    assert largest_difference(joint, alternated(start[0], late=True)) > 1e-5


@pytest.mark.slow
def test_two_ranks_step_as_one_that_alternates(ranks):
    model = still(build_method(tiny_config('adaptsegnet').model))
    batches = [[batch_of(rank, i) for rank in range(RANKS)] for i in range(5)]
    alternate(model, [[merged(*of_ranks)] for of_ranks in batches])
    expected = weights(model)
    for rank in ranks:
        assert largest_difference(rank['joint'], expected) < TOLERANCE


@pytest.mark.parametrize('file', ['r101_gta2city', 'r18_toystreets'])
@pytest.mark.parametrize('folder', ADVERSARIAL)
def test_no_parameter_has_two_optimisers(folder, file):
    model = build_method(tiny_config(folder).model)
    cfg = Config.fromfile(CONFIGS / folder / f'deeplabv2_{file}.py').optim_wrapper
    wrapper = build_optim_wrapper(model, cfg)
    found = {
        name: [p for g in member.optimizer.param_groups for p in g['params']]
        for name, member in wrapper.items()
    }
    discriminators = set(model.discriminators.parameters())
    assert set(found['discriminator']) == discriminators
    assert not set(found['segmentor']) & discriminators
    everything = found['segmentor'] + found['discriminator']
    assert len(set(everything)) == len(everything)
    assert set(everything) == {p for p in model.parameters() if p.requires_grad}


def test_settings_of_the_published_recipe():
    model = build_method(tiny_config('advent').model)
    cfg = Config.fromfile(CONFIGS / 'advent' / 'deeplabv2_r101_gta2city.py')
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    (adam,) = wrapper['discriminator'].optimizer.param_groups
    assert (adam['lr'], adam['betas'], adam['weight_decay']) == (1e-4, (0.9, 0.99), 0)
    rates = {
        p: group['lr']
        for group in wrapper['segmentor'].optimizer.param_groups
        for p in group['params']
    }
    assert rates[model.backbone.conv1.weight] == 2.5e-4
    assert rates[model.auxiliary_head.convs[0].weight] == 2.5e-3


class Toy(nn.Module):
    """A network and its discriminator, one number each."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(1, 1, bias=False)
        self.discriminators = nn.ModuleDict(dict(decode=nn.Linear(1, 1, bias=False)))
        for parameter in self.parameters():
            nn.init.ones_(parameter)

    def losses(self, slopes):
        """A loss with these slopes in the two numbers."""
        pairs = zip(self.parameters(), slopes, strict=True)
        return sum((slope * parameter).sum() for parameter, slope in pairs)

    def numbers(self):
        return [parameter.item() for parameter in self.parameters()]


def toy_wrapper(model, discriminator=None, **settings):
    cfg = dict(
        type='OptimWrapper',
        constructor='JointOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=1.0),
        discriminator=dict(optimizer=dict(type='SGD', lr=0.5), **discriminator or {}),
    )
    return build_optim_wrapper(model, cfg | settings)


def test_every_member_steps_with_its_own_rate():
    model = Toy()
    wrapper = toy_wrapper(model)
    assert isinstance(wrapper, JointOptimWrapper)
    wrapper.update_params(model.losses([1, 2]))
    assert model.numbers() == [0, 0]
    assert all(p.grad is None for p in model.parameters())
    assert wrapper.get_lr() == {'segmentor.lr': [1.0], 'discriminator.lr': [0.5]}


def test_accumulated_steps():
    model = Toy()
    wrapper = toy_wrapper(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 3)
    found = []
    for slopes in ([1, 2], [3, 4], [5, 6]):
        wrapper.update_params(model.losses(slopes))
        found.append(model.numbers())
    # The mean of two; the last iteration counts whole.
    assert found == [[1, 1], [-1, -0.5], [-6, -3.5]]
    assert wrapper.inner_count == 3


def test_each_member_clips_its_own_gradients():
    model = Toy()
    clip = dict(max_norm=0.25)
    wrapper = toy_wrapper(model, discriminator=dict(clip_grad=clip))
    wrapper.update_params(model.losses([4, 4]))
    assert model.numbers() == pytest.approx([-3, 1 - 0.5 * 0.25], abs=1e-5)
    model = Toy()
    wrapper = toy_wrapper(model, clip_grad=clip)
    wrapper.update_params(model.losses([4, 4]))
    assert model.numbers() == pytest.approx([0.75, -1], abs=1e-5)
    hub = wrapper['segmentor'].message_hub
    assert hub.get_scalar('train/segmentor.grad_norm').current() == 4


@pytest.fixture
def scaled(monkeypatch):
    """The wrappers that scale the loss for float16, on the CPU."""
    monkeypatch.setattr(
        'mmengine.optim.optimizer.amp_optimizer_wrapper.is_cuda_available',
        lambda: True,
    )
    scale = dict(device='cpu', init_scale=1024.0, growth_interval=2)
    return dict(type='AmpOptimWrapper', loss_scale=scale)


def test_one_scale_serves_all_members(scaled):
    model = Toy()
    wrapper = toy_wrapper(model, **scaled, clip_grad=dict(max_norm=2.0))
    scaler = wrapper['segmentor'].loss_scaler
    assert wrapper['discriminator'].loss_scaler is scaler
    wrapper.backward(model.losses([4, 1]))
    assert [p.grad.item() for p in model.parameters()] == [4096, 1024]
    wrapper.step()
    wrapper.zero_grad()
    assert model.numbers() == pytest.approx([-1, 0.5], abs=1e-5)
    assert scaler.get_scale() == 1024
    wrapper.update_params(model.losses([0, 1]))
    assert model.numbers()[1] == pytest.approx(0)
    # Two steps make it grow, not two members.
    assert scaler.get_scale() == 2048


def test_an_overflow_skips_the_step_and_lowers_the_scale_once(scaled):
    model = Toy()
    wrapper = toy_wrapper(model, **scaled)
    wrapper.update_params(model.losses([1, float('inf')]))
    assert model.numbers() == [0, 1]
    assert wrapper['segmentor'].loss_scaler.get_scale() == 512
    wrapper.update_params(model.losses([-1, 1]))
    assert model.numbers() == [1, 0.5]


def test_the_states_come_back(scaled):
    model = Toy()
    wrapper = toy_wrapper(model, **scaled, optimizer=dict(type='Adam', lr=0.1))
    wrapper.update_params(model.losses([1, 1]))
    saved = copy.deepcopy(wrapper.state_dict())
    assert saved.keys() == {'segmentor', 'discriminator'}
    scaled['loss_scale']['init_scale'] = 2.0
    other = toy_wrapper(Toy(), **scaled, optimizer=dict(type='Adam', lr=0.1))
    other.load_state_dict(copy.deepcopy(saved))
    found = other.state_dict()
    assert found['segmentor']['state'][0]['exp_avg'] == pytest.approx(0.1)
    assert found['segmentor']['loss_scaler']['scale'] == 1024
    assert found['discriminator'].keys() == saved['discriminator'].keys()


def test_mixed_precision_reaches_all_members():
    cfg = tiny_config('clan')
    enable_amp(cfg)
    wrapper = build_optimizer(build_method(cfg.model), cfg)
    kinds = {type(member).__name__ for _, member in wrapper.items()}
    assert kinds == {'BFloat16OptimWrapper'}


def test_a_config_without_the_discriminators_optimiser_is_refused():
    cfg = dict(
        constructor='JointOptimWrapperConstructor', optimizer=dict(type='SGD', lr=1)
    )
    with pytest.raises(InputError, match=r'optim_wrapper\.discriminator\.optimizer'):
        build_optim_wrapper(Toy(), cfg)


def test_a_method_without_discriminators_is_refused():
    with pytest.raises(InputError, match='Linear has no discriminators'):
        toy_wrapper(nn.Linear(1, 1))


@pytest.mark.parametrize('folder', ADVERSARIAL)
def test_one_optimiser_for_all_is_refused(folder):
    model = build_method(tiny_config(folder).model)
    optim_wrapper = build_optimizer(model, tiny_config('minent'))
    with pytest.raises(InputError, match='JointOptimWrapperConstructor'):
        domain_step(model, random_batch(0), optim_wrapper)
