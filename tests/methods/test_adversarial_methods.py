"""The adversarial methods' losses against float64 references, score by score."""

import copy
import math

import pytest
import torch
from helpers import build_method, random_batch, tiny_config
from mmengine.logging import MessageHub
from torch.nn.functional import interpolate

from cfcontra_mm.errors import InputError
from cfcontra_mm.methods.passes import domain_inputs
from cfcontra_mm.models.classifiers import add_classifier

CLASSES = 19
GAN = dict(type='GANLoss')


def build(folder, **changes):
    cfg = tiny_config(folder).model
    for key, value in changes.items():
        cfg[key] = value
    return build_method(cfg).double()


@pytest.fixture(params=[0, 30])
def iteration(request):
    """An iteration of a training of 100, before and after CLAN's warm-up."""
    hub = MessageHub.get_current_instance()
    kept = hub.get_info('max_iters')
    hub.update_info('max_iters', 100)
    yield request.param
    hub.update_info('iter', 0)
    hub.update_info('max_iters', kept or 1)


def run(model, iteration=0):
    """Losses of both domains, and each domain's logits in double precision."""
    batch = model.data_preprocessor(random_batch(1), training=True)
    MessageHub.get_current_instance().update_info('iter', iteration)
    views = {d: model.view(domain_inputs(batch, d)) for d in ('source', 'target')}
    losses = {
        'source': model.source_losses(views['source']),
        'target': model.target_losses(views['target']),
    }
    logits = {d: {k: v.detach() for k, v in views[d].logits.items()} for d in views}
    return losses, logits


def softmax(scores):
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def each_pixel(logits, function):
    """Apply a function of the class scores to each pixel, (N, C', H, W)."""
    n, _, h, w = logits.shape
    rows = [function(r) for r in logits.permute(0, 2, 3, 1).flatten(0, 2).tolist()]
    return torch.tensor(rows, dtype=torch.float64).view(n, h, w, -1).permute(0, 3, 1, 2)


def self_information(scores):
    return [-p * math.log(p) / math.log(CLASSES) for p in softmax(scores)]


def vanilla(score, label):
    p = 1 / (1 + math.exp(-score))
    return -math.log(p if label else 1 - p)


def least_squares(score, label):
    return (score - label) ** 2


def mean_loss(scores, label, loss=vanilla, weights=None):
    scores = scores.flatten().tolist()
    weights = [1] * len(scores) if weights is None else weights.flatten().tolist()
    terms = [w * loss(s, label) for s, w in zip(scores, weights, strict=True)]
    return sum(terms) / len(terms)


@pytest.mark.parametrize(
    ('folder', 'gan', 'maps', 'loss'),
    [
        ('adaptsegnet', 'vanilla', softmax, vanilla),
        ('adaptsegnet', 'lsgan', softmax, least_squares),
        ('advent', 'vanilla', self_information, vanilla),
    ],
)
def test_the_game_of_each_head(folder, gan, maps, loss):
    heads = dict(decode=1e-3, aux=2e-4)
    losses = {
        name: dict(type='GANLoss', gan_type=gan, loss_weight=weight)
        for name, weight in heads.items()
    }
    model = build(folder, loss_adversarial=losses)
    losses, logits = run(model)
    for name, weight in (('decode', 1e-3), ('aux', 2e-4)):
        judge = model.discriminators[name]
        with torch.no_grad():
            scores = {d: judge(each_pixel(logits[d][name], maps)) for d in logits}
        expected = {
            ('source', 'loss_disc'): mean_loss(scores['source'], 0, loss) / 2,
            ('target', 'loss_disc'): mean_loss(scores['target'], 1, loss) / 2,
            ('target', 'loss_adv'): weight * mean_loss(scores['target'], 0, loss),
        }
        for (domain, key), value in expected.items():
            found = losses[domain][f'{name}.{key}'].item()
            assert found == pytest.approx(value, rel=1e-5), (domain, key)


def slow_distance(first, second):
    """1 - cos of two softmax maps at each pixel, (N, 1, H, W)."""

    def distance(scores):
        p1, p2 = softmax(scores[:CLASSES]), softmax(scores[CLASSES:])
        product = sum(a * b for a, b in zip(p1, p2, strict=True))
        return [1 - product / math.hypot(*p1) / math.hypot(*p2)]

    return each_pixel(torch.cat([first, second], dim=1), distance)


def test_clan(iteration):
    model = build('clan')
    losses, logits = run(model, iteration)
    damping, warm = 1 - iteration / 100, iteration < 5
    first, second = (logits['target'][f'decode_{i}'] for i in (1, 2))
    weights = 0.4 + 40 * slow_distance(first, second)
    assert weights.std() > 0.1
    judge, scores = model.discriminators['decode'], {}
    for domain, maps in logits.items():
        summed = each_pixel(maps['decode_1'] + maps['decode_2'], softmax)
        with torch.no_grad():
            scores[domain] = interpolate(
                judge(summed), summed.shape[2:], mode='bilinear', align_corners=True
            )
    weights = torch.ones_like(weights) if warm else weights
    adversarial = mean_loss(scores['target'], 0, weights=weights)
    caught = mean_loss(scores['target'], 1, weights=weights)
    w1, w2 = (
        [x for p in convs.parameters() for x in p.flatten().tolist()]
        for convs in (model.decode_head.convs[:4], model.decode_head.convs[4:])
    )
    product = sum(a * b for a, b in zip(w1, w2, strict=True))
    likeness = product / math.hypot(*w1) / math.hypot(*w2) + 1
    expected = {
        ('source', 'decode.loss_disc'): mean_loss(scores['source'], 0) / 2,
        ('source', 'decode.loss_divergence'): 2 * damping * 0.01 * likeness,
        ('target', 'decode.loss_adv'): damping * 1e-3 * adversarial,
        ('target', 'decode.loss_disc'): caught / 2,
    }
    for (domain, key), value in expected.items():
        assert losses[domain][key].item() == pytest.approx(value, rel=1e-5), key


def test_clans_weight_has_a_gradient_for_the_network_alone(iteration):
    model = build('clan')
    batch = model.data_preprocessor(random_batch(1), training=True)
    view = model.view(domain_inputs(batch, 'target'))
    MessageHub.get_current_instance().update_info('iter', iteration)
    for part in model.discriminators.parameters():
        part.data.zero_()  # All scores are 0, so that they pass no gradient on.
    losses = model.target_losses(view)
    losses['decode.loss_disc'].backward(retain_graph=True)
    assert all(p.grad is None for p in model.decode_head.parameters())
    model.zero_grad()
    losses['decode.loss_adv'].backward()
    moved = [p.grad.abs().max() > 0 for p in model.decode_head.parameters()]
    assert all(moved) if iteration else not any(moved)


def test_clans_supervised_loss_is_that_of_both_classifiers():
    plain, focal = build('clan'), build('clan', focal_gamma=2.0)
    focal.load_state_dict(plain.state_dict())
    batch = plain.data_preprocessor(random_batch(1), training=True)
    source = domain_inputs(batch, 'source')
    logits = copy.deepcopy(plain).view(source).logits
    found = {m: m.source_losses(m.view(source)) for m in (plain, focal)}
    for name in ('decode_1', 'decode_2'):
        rows = logits[name].permute(0, 2, 3, 1).flatten(0, 2).tolist()
        terms = {plain: [], focal: []}
        for row, label in zip(rows, source.labels.flatten().tolist(), strict=True):
            if label != 255:
                p = softmax(row)[label]
                terms[plain].append(-math.log(p))
                terms[focal].append(-((1 - p) ** 2) * math.log(p))
        for model, values in terms.items():
            expected = sum(values) / len(values)
            key = f'{name}.loss_ce'
            assert found[model][key].item() == pytest.approx(expected, rel=1e-5)
    assert found[plain]['aux.loss_ce'] == found[focal]['aux.loss_ce']


def test_the_single_level_variant_has_one_classifier_and_one_discriminator():
    model = build('adaptsegnet', auxiliary_head=None)
    losses, _ = run(model)
    assert set(losses['target']) == {'decode.loss_adv', 'decode.loss_disc'}
    assert list(model.discriminators) == list(model.heads) == ['decode']


@pytest.mark.parametrize(
    ('folder', 'changes', 'said'),
    [
        ('adaptsegnet', dict(gan='wgan'), "unknown type 'wgan'; choose one of vanilla"),
        ('adaptsegnet', dict(loss_adversarial={}), 'has losses of no head'),
        (
            'advent',
            dict(loss_adversarial=dict(neck=GAN)),
            'has losses of neck; .* are decode',
        ),
        ('advent', dict(auxiliary_head=None, loss_adversarial=dict(aux=GAN)), 'aux'),
    ],
)
def test_settings_that_mean_nothing_are_refused(folder, changes, said):
    with pytest.raises(InputError, match=said):
        build(folder, **changes)


def test_discriminators_stand_in_the_order_of_the_config():
    """By which an optimiser of a checkpoint knows them."""
    model = build('advent', loss_adversarial=dict(aux=GAN, decode=GAN))
    assert list(model.discriminators) == ['aux', 'decode']


def test_clan_needs_a_head_whose_classifier_can_be_doubled():
    with pytest.raises(InputError, match='Identity has no conv_seg'):
        add_classifier(torch.nn.Identity())


@pytest.mark.parametrize(
    ('folder', 'old', 'new'),
    [
        (
            'adaptsegnet',
            dict(adversarial_weights=dict(decode=0.3, aux=0.1), gan='lsgan'),
            dict(
                loss_adversarial=dict(
                    decode=dict(type='GANLoss', gan_type='lsgan', loss_weight=0.3),
                    aux=dict(type='GANLoss', gan_type='lsgan', loss_weight=0.1),
                )
            ),
        ),
        (
            'clan',
            dict(adversarial_weight=0.2, divergence_weight=0.5),
            dict(
                loss_adversarial=dict(type='GANLoss', loss_weight=0.2),
                loss_discrepancy=dict(type='WeightDiscrepancyLoss', loss_weight=0.5),
            ),
        ),
    ],
)
def test_old_names_of_settings_are_understood(folder, old, new):
    with pytest.warns(FutureWarning, match='is now model.loss_adversarial'):
        model = build(folder, **old)
    (found, _), (expected, _) = run(model), run(build(folder, **new))
    assert found == expected
    # A config of before, which has the old names alone.
    cfg = tiny_config(folder).model
    for name in ('loss_adversarial', 'loss_discrepancy'):
        cfg.pop(name, None)
    cfg.update(old)
    with pytest.warns(FutureWarning):
        assert run(build_method(cfg).double())[0] == expected


def test_clan_takes_checkpoints_whose_config_names_two_classifiers():
    cfg = tiny_config('clan').model
    cfg.decode_head.classifiers = 2
    old, new = build_method(cfg), build('clan').float()
    assert old.state_dict().keys() == new.state_dict().keys()
    new.load_state_dict(old.state_dict())
