"""The shares of the losses against gradients by finite differences and by torch."""

import copy
import math

import pytest
import torch
from helpers import (
    build_method,
    build_optimizer,
    case_of,
    random_batch,
    step_losses,
    summed_gradients,
)
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from cfcontra_mm.contract.jobs import still
from cfcontra_mm.contract.tiny import warm_up
from cfcontra_mm.engine.amp import enable_amp
from cfcontra_mm.engine.loss_shares import basis_of, measure_loss_shares
from cfcontra_mm.engine.step import make_passes
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods import UDASegmentor

STEP = 1e-5
MINENT = (
    *('source.decode.loss_ce', 'source.aux.loss_ce'),
    *('target.decode.loss_ent', 'target.aux.loss_ent'),
)


def build(folder, network='deeplab', **options):
    cfg = case_of(folder, network).load()
    cfg.optim_wrapper.update(options)
    return warm_up(build_method(cfg.model), cfg), cfg


def minent_by_hand(model, data):
    """MinEnt's terms in float64, written from its equation."""
    passes = make_passes(model, copy.deepcopy(data))
    found = {}
    for head, of_ce, of_entropy in (('decode', 1.0, 1e-3), ('aux', 0.1, 2e-4)):
        source, target = passes['source'], passes['target']
        labelled = source.labels != 255
        log_p = model.view(source).logits[head].log_softmax(dim=1)
        chosen = log_p.gather(1, source.labels.where(labelled, 0)[:, None])[:, 0]
        found[f'source.{head}.loss_ce'] = -of_ce * chosen[labelled].mean()
        log_p = model.view(target).logits[head].log_softmax(dim=1)
        entropy = -(log_p.exp() * log_p).sum(dim=1).mean() / math.log(19)
        found[f'target.{head}.loss_ent'] = of_entropy * entropy
    return found


def central_differences(model, parameter, data, terms):
    """The gradient of each term on a parameter, (P,), one value after the other."""
    found = {term: [] for term in terms}
    for index in range(parameter.numel()):
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.view(-1)[index] += sign * STEP
                sides.append(minent_by_hand(model, data))
                parameter.view(-1)[index] -= sign * STEP
        for term in terms:
            difference = sides[0][term] - sides[1][term]
            found[term].append(difference.item() / (2 * STEP))
    return {term: torch.tensor(values).double() for term, values in found.items()}


def test_minent_against_central_differences():
    model, _ = build('minent')
    still(model)
    name = 'layer2.0.bn2.bias'
    model.backbone.requires_grad_(False)
    parameter = model.backbone.get_parameter(name).requires_grad_()
    data = random_batch(4)
    expected = central_differences(model, parameter, data, MINENT)
    norms = {term: g.norm().item() for term, g in expected.items()}
    supervised = expected[MINENT[0]] + expected[MINENT[1]]
    found = measure_loss_shares(model, data)
    assert tuple(found) == MINENT
    assert all(norm > 1e-7 for norm in norms.values())
    for term, share in found.items():
        cosine = expected[term] @ supervised / (norms[term] * supervised.norm())
        assert share.norm == pytest.approx(norms[term], rel=1e-4)
        assert share.share == pytest.approx(
            100 * norms[term] / sum(norms.values()), rel=1e-4
        )
        assert share.ratio == pytest.approx(norms[term] / norms[MINENT[0]], rel=1e-4)
        assert share.cosine == pytest.approx(cosine.item(), abs=1e-4)
        assert share.supervised == term.startswith('source')
        assert (share.trains, share.gradient_left) == ('backbone', 100)


CLIPS = [
    (dict(max_norm=1e-2), clip_grad_norm_),
    (dict(max_norm=0.3, norm_type=1), clip_grad_norm_),
    (dict(max_norm=1e6), clip_grad_norm_),
    (dict(type='value', clip_value=1e-3), clip_grad_value_),
]


@pytest.mark.parametrize('folder', ['minent', 'adaptsegnet'])
@pytest.mark.parametrize(('clip', 'function'), CLIPS)
def test_what_clipping_leaves_is_what_torch_leaves(folder, clip, function):
    model, cfg = build(folder, clip_grad=clip)
    still(model)
    data = random_batch(5)
    whole = summed_gradients(model, data)
    # The discriminators have an optimiser of their own, which does not clip.
    own = [g for name, g in whole.items() if not name.startswith('discriminators.')]
    copies = [nn.Parameter(gradient) for gradient in own]
    for copied, gradient in zip(copies, own, strict=True):
        copied.grad = gradient.clone()
    before = torch.cat([g.flatten() for g in own]).norm()
    function(copies, **{k: v for k, v in clip.items() if k != 'type'})
    after = torch.cat([copied.grad.flatten() for copied in copies]).norm()
    found = measure_loss_shares(model, data, build_optimizer(model, cfg))
    for share in found.values():
        assert share.gradient_left == pytest.approx(100 * (after / before).item())
    if 'norm_type' not in clip and 'max_norm' in clip:
        factor = min(1, clip['max_norm'] / before.item())
        assert share.gradient_left == pytest.approx(100 * factor, rel=1e-4)
    assert (share.gradient_left == pytest.approx(100)) == (clip == CLIPS[2][0])


class Idle(UDASegmentor):
    """Losses of the target that cannot train the backbone."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.projection = nn.Conv2d(self.feature_channels, 8, 1)

    def target_losses(self, target):
        deep = target.features[-1].detach()
        return dict(
            loss_projected=self.projection(deep).square().mean(),
            loss_detached=deep.mean(),
            loss_zero=0 * target.features[-1].mean(),
        )


def settings_of(folder):
    cfg = case_of(folder).load()
    return {k: v for k, v in cfg.model.items() if k != 'type'}


def test_losses_that_cannot_train_have_no_share():
    model = Idle(**settings_of('source_only')).train()
    found = measure_loss_shares(model, random_batch(0))
    trains = dict(projected='other', detached='', zero='')
    for name, part in trains.items():
        share = found[f'target.loss_{name}']
        assert (share.norm, share.share, share.trains) == (0, 0, part)
        assert math.isnan(share.cosine)
        assert not share.is_beside
    assert sum(share.share for share in found.values()) == pytest.approx(100)


def test_a_pass_without_a_loss_to_train_with_has_its_terms():
    class Detached(Idle):
        def target_losses(self, target):
            return dict(loss_detached=target.features[-1].detach().mean())

    model = Detached(**settings_of('source_only')).train()
    found = measure_loss_shares(model, random_batch(0))
    assert [term for term in found if term.startswith('target')] == [
        'target.loss_detached'
    ]


def test_discriminators_and_heads_may_have_losses_of_their_own():
    found = measure_loss_shares(build('clan')[0], random_batch(0))
    beside = {term: share.trains for term, share in found.items() if share.is_beside}
    assert beside == {
        'source.decode.loss_divergence': 'heads',
        'source.decode.loss_disc': 'discriminators',
        'target.decode.loss_disc': 'discriminators',
    }
    assert all(found[term].share == 0 for term in beside)


def test_the_ratio_is_to_all_losses_of_the_main_head():
    model, _ = build('clan')
    still(model)
    data = random_batch(0)
    found = measure_loss_shares(model, data)
    losses = step_losses(model, data)
    main = losses['source.decode_1.loss_ce'] + losses['source.decode_2.loss_ce']
    gradients = torch.autograd.grad(main, list(model.backbone.parameters()))
    norm = torch.cat([g.flatten() for g in gradients]).norm().item()
    for share in found.values():
        assert share.ratio == pytest.approx(share.norm / norm)


def test_pseudo_labels_are_no_supervision():
    found = measure_loss_shares(build('dacs')[0], random_batch(0))
    assert {term: share.supervised for term, share in found.items()} == {
        'source.decode.loss_ce': True,
        'source.aux.loss_ce': True,
        'mixed.decode.loss_ce': False,
        'mixed.aux.loss_ce': False,
    }


def test_each_loss_of_a_head_is_supervised():
    settings = settings_of('minent')
    losses = [
        dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_name=f'loss_{name}')
        for name in 'ab'
    ]
    settings['decode_head']['loss_decode'] = losses
    kind = type(build('minent')[0])
    found = measure_loss_shares(kind(**settings).train(), random_batch(0))
    names = [term for term, share in found.items() if share.supervised]
    assert names == ['source.decode.loss_a', 'source.decode.loss_b', MINENT[1]]
    assert found[names[0]].ratio == pytest.approx(0.5)


@pytest.mark.parametrize('folder', ['minent', 'advent'])
def test_without_a_backbone_to_train_it_is_the_network(folder):
    model, _ = build(folder)
    assert basis_of(model) == 'backbone'
    still(model)
    model.backbone.requires_grad_(False)
    assert basis_of(model) == 'network'
    data = random_batch(0)
    found = measure_loss_shares(model, data)
    loss = step_losses(model, data)['source.decode.loss_ce']
    gradients = torch.autograd.grad(loss, list(model.decode_head.parameters()))
    norm = torch.cat([g.flatten() for g in gradients]).norm().item()
    share = found['source.decode.loss_ce']
    assert (share.norm, share.trains) == (pytest.approx(norm), 'network')


def test_mixed_precision_measures_what_it_trains_with():
    model, cfg = build('minent')
    enable_amp(cfg)
    data = random_batch(0)
    mixed = measure_loss_shares(model, data, build_optimizer(model, cfg))
    full = measure_loss_shares(model, data)
    assert mixed.keys() == full.keys()
    for term in full:
        assert mixed[term].norm != full[term].norm
        assert mixed[term].norm == pytest.approx(full[term].norm, rel=0.2)


def test_gradient_checkpointing_is_refused_without_a_trace():
    cfg = case_of('minent').load()
    cfg.model.backbone.with_cp = True
    model = build_method(cfg.model)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match='loss_shares: cannot measure'):
        measure_loss_shares(model, random_batch(0))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
