"""CFContra's objective (eqs. 19-20) against a float64 reference, pixel by pixel."""

import copy
import math

import pytest
import torch
from helpers import (
    begin_centers,
    build_method,
    grid_place,
    random_batch,
    sample,
    step_losses,
    tiny_config,
)
from mmengine.logging import MessageHub

from cfcontra_mm.engine.memory_bank import move_centers
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods.passes import DomainInputs, domain_inputs

IGNORE = 255
ENTROPY = dict(type='EntropyLoss')


def build(**changes):
    cfg = tiny_config('cfcontra').model
    cfg.update(threshold=0.01, **changes)
    model = build_method(cfg)
    begin_centers(model, random_batch(99))
    return model


def pixels(model, domain, data):
    """Remapped features, one row a pixel, and the source's labels at their places."""
    batch = model.data_preprocessor(copy.deepcopy(data), training=True)
    inputs = domain_inputs(batch, domain)
    with torch.no_grad():
        remapped = model.projection_head(model.extract_feat(inputs.images)[-1])
    rows, labels = [], []
    height, width = remapped.shape[2:]
    for n, image in enumerate(remapped):
        for y in range(height):
            for x in range(width):
                rows.append(image[:, y, x].double())
                if inputs.labels is not None:
                    place = grid_place(y, height, 32), grid_place(x, width, 64)
                    labels.append(int(inputs.labels[n][place]))
    return rows, labels


def unit(vector):
    return vector / vector.norm()


def slow_pseudo_labels(rows, centers, valid, threshold, normalized=True):
    labels = []
    for row in rows:
        row = unit(row) if normalized else row
        near = sorted(
            ((row - unit(centers[k])).norm().item(), k) for k in range(19) if valid[k]
        )
        labels.append(near[0][1] if near[1][0] - near[0][0] > threshold else IGNORE)
    return labels


def slow_contrast(rows, labels, centers, valid):
    terms = []
    for row, label in zip(rows, labels, strict=True):
        if label == IGNORE or not valid[label]:
            continue
        scores = {
            k: float(unit(row) @ unit(centers[k])) / 0.07 for k in range(19) if valid[k]
        }
        total = sum(math.exp(score) for score in scores.values())
        terms.append(math.log(total) - scores[label])
    return sum(terms) / len(terms)


def test_the_four_terms_of_eq_19():
    model, data = build(), random_batch(1)
    banks = {
        domain: (centers.double(), valid.tolist())
        for domain in ('source', 'target')
        for centers, valid in [model.class_centers.of(domain)]
    }
    source, labels = pixels(model, 'source', data)
    target, _ = pixels(model, 'target', data)
    pseudo = slow_pseudo_labels(target, *banks['source'], 0.01)
    found = step_losses(model, data)
    used = model.pseudo_labels(torch.stack(target).float()).tolist()
    # Only where the gap is the threshold itself may rounding decide.
    assert sum(a != b for a, b in zip(used, pseudo, strict=True)) <= 1
    share = sum(label != IGNORE for label in used) / len(used)
    assert 0.05 < share < 1
    assert found['target.pseudo_share'].item() == pytest.approx(share)
    for domain, rows, classes in (
        ('source', source, labels),
        ('target', target, used),
    ):
        for other in banks:
            expected = 1e-3 * slow_contrast(rows, classes, *banks[other])
            term = found[f'{domain}.loss_contra_{other}'].item()
            assert term == pytest.approx(expected, rel=1e-4)


def test_intra_keeps_the_terms_within_a_domain():
    found = step_losses(build(terms='intra'), random_batch(1))
    terms = {key for key in found if 'contra' in key}
    assert terms == {'source.loss_contra_source', 'target.loss_contra_target'}


def test_entropy_has_its_weights():
    model, data = build(), random_batch(1)
    batch = model.data_preprocessor(copy.deepcopy(data), training=True)
    logits = model.view(domain_inputs(batch, 'target')).logits
    found = step_losses(model, data)
    for name, weight in (('decode', 1e-3), ('aux', 2e-4)):
        p = logits[name].double().softmax(1)
        entropy = -(p * p.clamp(min=1e-300).log()).sum(1).mean() / math.log(19)
        term = found[f'target.{name}.loss_ent'].double()
        torch.testing.assert_close(term, weight * entropy, rtol=1e-5, atol=0)
        if name == 'decode':
            torch.testing.assert_close(
                found['target.entropy'].double(), entropy, rtol=1e-5, atol=0
            )


@pytest.mark.parametrize('cross_update', [False, True])
def test_each_domain_moves_its_own_centers_unless_crossed(cross_update):
    model, data = build(cross_update=cross_update), random_batch(1)
    bank = model.class_centers
    before = bank.centers.double()
    source, labels = pixels(model, 'source', data)
    target, _ = pixels(model, 'target', data)
    pseudo = model.pseudo_labels(torch.stack(target).float()).tolist()
    step_losses(model, data)
    move_centers(bank)
    rows = {'source': (source, labels), 'target': (target, pseudo)}
    for place, domain in enumerate(rows):
        used = rows.values() if cross_update else [rows[domain]]
        pairs = [pair for r, c in used for pair in zip(r, c, strict=True)]
        for k in range(19):
            own = [row for row, label in pairs if label == k]
            if not own:
                assert torch.equal(bank.centers[place, k].double(), before[place, k])
                continue
            mean = sum(own) / len(own)
            known = before[place, k].any()
            expected = 0.9 * before[place, k] + 0.1 * mean if known else mean
            torch.testing.assert_close(
                bank.centers[place, k].double(), expected, rtol=1e-4, atol=1e-4
            )


def test_without_centers_there_is_no_contrast_and_no_pseudo_label():
    model = build_method(tiny_config('cfcontra').model)
    found = step_losses(model, random_batch(1))
    assert found['target.pseudo_share'].item() == 0
    assert all(v.item() == 0 for k, v in found.items() if 'contra' in k)
    sum(v for k, v in found.items() if 'loss' in k).backward()
    assert model.backbone.conv1.weight.grad.isfinite().all()


def test_raw_distances_compare_raw_features_with_unit_centers():
    model = build(normalize_distance=False)
    centers, valid = model.class_centers.of('source')
    rows, _ = pixels(model, 'target', random_batch(1))
    expected = slow_pseudo_labels(
        rows, centers.double(), valid.tolist(), 0.01, normalized=False
    )
    found = model.pseudo_labels(torch.stack(rows).float()).tolist()
    same = sum(a == b for a, b in zip(found, expected, strict=True))
    assert same >= len(rows) - 1


def test_without_head_the_features_themselves_are_compared():
    model = build(projection_head=None)
    assert model.class_centers.centers.shape == (2, 19, 64)
    assert step_losses(model, random_batch(1))['source.loss_contra_source'] > 0


@pytest.mark.parametrize('structure', ['linear', 'moco', 'byol', 'simclr'])
def test_every_head_of_table_1_trains(structure):
    head = dict(tiny_config('cfcontra').model.projection_head, structure=structure)
    model = build(projection_head=head)
    found = step_losses(model, random_batch(1))
    sum(v for k, v in found.items() if 'contra' in k).backward()
    assert model.projection_head[0].weight.grad.any()
    assert model.backbone.conv1.weight.grad.any()
    assert not any(
        p.grad is not None and p.grad.any() for p in model.decode_head.parameters()
    )


def test_predictions_carry_the_pseudo_labels_of_training_mode():
    model = build()
    images = random_batch(2)['inputs'][:2]
    truth = torch.zeros(1, 32, 64, dtype=torch.int64)
    data = dict(inputs=images, data_samples=[sample('target', truth)] * 2)
    batch = model.data_preprocessor(copy.deepcopy(data), training=False)
    with torch.no_grad():
        twin = copy.deepcopy(model)
        view = twin.view(DomainInputs(batch['inputs'], None, []))
        features = twin.projection_head(view.features[-1])
        statistics = copy.deepcopy(model.eval().state_dict())
        results = model.test_step(copy.deepcopy(data))
    for result, feature in zip(results, features, strict=True):
        rows = feature.permute(1, 2, 0).flatten(0, 1)
        expected = model.pseudo_labels(rows).view(feature.shape[1:])
        assert torch.equal(result.pseudo_sem_seg.data[0], expected)
        nearest = model.pseudo_labels(rows, threshold=-1.0).view(feature.shape[1:])
        assert torch.equal(result.center_sem_seg.data[0], nearest)
    assert len(results) == 2
    # Measuring changes nothing.
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in statistics.items())
    assert not any(module.training for module in model.modules())


def test_an_image_without_labels_is_predicted_once():
    model = build().eval()
    data = dict(inputs=random_batch(2)['inputs'][:1], data_samples=[sample('target')])
    with torch.no_grad():
        (result,) = model.test_step(data)
    assert 'pseudo_sem_seg' not in result


def test_a_network_that_normalises_global_averages_predicts_a_single_image():
    model = build().eval()
    model.decode_head.pool = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.BatchNorm2d(64)
    ).eval()
    forward = model.decode_head.forward

    def with_pool(features):
        return forward(features) + model.decode_head.pool(features[-1])[:, :19]

    model.decode_head.forward = with_pool
    truth = torch.zeros(1, 32, 64, dtype=torch.int64)
    data = dict(
        inputs=random_batch(2)['inputs'][:1], data_samples=[sample('target', truth)]
    )
    with torch.no_grad():
        (result,) = model.test_step(data)
    assert 'pseudo_sem_seg' not in result
    assert 'pred_sem_seg' in result


def slow_predictions(view, place):
    """Class and probability of the main head at the pixels of a 4x8 feature map."""
    logits = view.logits['decode'].double()
    found = []
    for image in logits:
        for y in range(place[0]):
            for x in range(place[1]):
                at = grid_place(y, place[0], 32), grid_place(x, place[1], 64)
                scores = image[:, at[0], at[1]].exp()
                found.append((int(scores.argmax()), float(scores.max() / scores.sum())))
    return found


@pytest.mark.parametrize('mode', ['classifier', 'agree'])
def test_the_classifier_labels_the_target_too(mode):
    model, data = build(pseudo_labels=mode), random_batch(1)
    with torch.no_grad():  # so that some predictions are sure and some are not
        for parameter in model.decode_head.parameters():
            parameter.mul_(3)
    begin_centers(model, random_batch(99))
    batch = model.data_preprocessor(copy.deepcopy(data), training=True)
    twin = copy.deepcopy(model)
    view = twin.view(domain_inputs(batch, 'target'))
    size = view.features[-1].shape[2:]
    predicted = slow_predictions(view, size)
    rows, _ = pixels(copy.deepcopy(model), 'target', data)
    centers = model.pseudo_labels(torch.stack(rows).float()).tolist()
    if mode == 'classifier':
        expected = [k if p >= 0.9 else IGNORE for k, p in predicted]
    else:
        pairs = zip(centers, predicted, strict=True)
        expected = [c if c == k else IGNORE for c, (k, _) in pairs]
    share = sum(label != IGNORE for label in expected) / len(expected)
    assert 0 < share < 1
    found = step_losses(model, data)
    assert found['target.pseudo_share'].item() == pytest.approx(share)
    banks = [model.class_centers.of(domain) for domain in ('source', 'target')]
    for domain, (bank, valid) in zip(('source', 'target'), banks, strict=True):
        wanted = 1e-3 * slow_contrast(rows, expected, bank.double(), valid.tolist())
        term = found[f'target.loss_contra_{domain}'].item()
        assert term == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(('iteration', 'begun'), [(0, False), (24, False), (25, True)])
def test_the_target_has_no_pseudo_labels_before_the_start(iteration, begun):
    model = build(start=0.25)
    hub = MessageHub.get_current_instance()
    begin_centers(model, random_batch(99))
    hub.update_info('max_iters', 100)
    hub.update_info('iter', iteration)
    found = step_losses(model, random_batch(1))
    hub.update_info('iter', 0)
    assert (found['target.pseudo_share'] > 0) == begun
    assert (found['target.loss_contra_source'] > 0) == begun
    assert found['source.loss_contra_source'] > 0


def test_truncated_labels_are_those_of_the_published_code():
    model, data = build(label_grid='truncated'), random_batch(1)
    batch = model.data_preprocessor(copy.deepcopy(data), training=True)
    source = domain_inputs(batch, 'source')
    labels = source.labels[:, None].float()
    view = model.view(source)
    size = view.features[-1].shape[2:]
    expected = torch.nn.functional.interpolate(labels, size)[:, 0].long()
    assert torch.equal(model._source_labels(view, size), expected)
    model.label_grid = 'corners'
    assert not torch.equal(model._source_labels(view, size), expected)


@pytest.mark.parametrize(
    ('setting', 'said'),
    [
        (dict(terms='al'), "model.terms: must be 'all' or 'intra', not 'al'"),
        (
            dict(pseudo_labels='both'),
            "pseudo_labels: must be .* or 'agree', not 'both'",
        ),
        (dict(label_grid='none'), "label_grid: must be 'corners' or 'truncated'"),
        (dict(loss_entropy=dict(neck=ENTROPY)), 'loss_entropy: has losses of .*neck'),
    ],
)
def test_a_setting_that_means_nothing_is_refused(setting, said):
    with pytest.raises(InputError, match=said):
        build(**setting)


def test_old_names_of_settings_are_understood():
    old = dict(
        temperature=0.1,
        contrast_weight=0.2,
        include_positive=False,
        entropy_weights=dict(decode=0.3),
    )
    loss = dict(
        type='ClassContrastiveLoss',
        temperature=0.1,
        loss_weight=0.2,
        include_positive=False,
    )
    entropy = {
        k: dict(ENTROPY, loss_weight=w) for k, w in dict(decode=0.3, aux=2e-4).items()
    }
    with pytest.warns(FutureWarning, match='temperature is now model.loss_contrast.'):
        found = step_losses(build(**old), random_batch(1))
    assert found == step_losses(
        build(loss_contrast=loss, loss_entropy=entropy), random_batch(1)
    )
