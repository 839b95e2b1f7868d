"""What every method keeps; a new method is tested by being registered."""

import copy

import pytest
import torch
from helpers import (
    begin_centers,
    build_method,
    build_optimizer,
    gradients,
    one_folder_a_method,
    random_batch,
    random_labels,
    record_steps,
    registered_methods,
    sample,
    summed_gradients,
    summed_loss,
    tiny_config,
)
from mmengine.structures import PixelData
from mmseg.registry import MODELS

from cfcontra_mm.engine import domain_step
from cfcontra_mm.engine.amp import enable_amp
from cfcontra_mm.methods import UDASegmentor
from cfcontra_mm.methods.base import domain_inputs

FOLDERS = one_folder_a_method()


@pytest.fixture(params=FOLDERS)
def cfg(request):
    return tiny_config(request.param)


@pytest.fixture
def model(cfg):
    model = build_method(cfg.model)
    begin_centers(model, random_batch(99))
    return model


def run_steps(model, cfg, count, **kwargs):
    optim_wrapper = build_optimizer(model, cfg, **kwargs)
    return [domain_step(model, random_batch(i), optim_wrapper) for i in range(count)]


def test_every_registered_method_has_a_config():
    configured = {tiny_config(folder).model.type for folder in FOLDERS}
    assert configured == set(registered_methods())


def test_two_steps_are_finite_and_move_the_network(cfg, model):
    before = copy.deepcopy(model.state_dict())
    logs = run_steps(model, cfg, 2)
    for log in logs:
        assert log['loss'].isfinite()
        assert all(torch.as_tensor(value).isfinite().all() for value in log.values())
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    for part in ('backbone.conv1', 'decode_head.', 'auxiliary_head.'):
        assert any(key.startswith(part) for key in moved)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_bfloat16_gives_nearly_the_same_losses(cfg, model):
    (full,) = run_steps(copy.deepcopy(model), cfg, 1)
    enable_amp(cfg)
    (mixed,) = run_steps(model, cfg, 1)
    assert mixed['loss'] != full['loss']
    for name, value in full.items():
        if 'loss' in name:
            torch.testing.assert_close(mixed[name], value, rtol=0.1, atol=1e-3)


def test_the_total_is_the_sum_of_the_logged_losses(cfg, model):
    (log,) = run_steps(model, cfg, 1)
    parts = [v for k, v in log.items() if 'loss' in k and k != 'loss']
    assert len(parts) >= 2
    torch.testing.assert_close(log['loss'], sum(parts))


def test_supervised_losses_have_their_weights(cfg, model):
    (log,) = run_steps(copy.deepcopy(model), cfg, 1)
    data = random_batch(0)
    source = domain_inputs(model.data_preprocessor(data, training=True), 'source')
    logits = model.view(source).logits
    assert 'aux' in logits
    for name in logits:
        weight = 0.1 if name == 'aux' else 1.0
        p = logits[name].double().softmax(1)
        picked = p.gather(1, source.labels.where(source.labels != 255, 0)[:, None])
        entropy = -picked[:, 0].log()[source.labels != 255].mean()
        found = log[f'source.{name}.loss_ce'].double()
        torch.testing.assert_close(found, weight * entropy, rtol=1e-5, atol=1e-6)


def test_a_target_label_is_refused(cfg, model):
    data = random_batch(0)
    labels = random_labels(torch.Generator())
    data['data_samples'][1].gt_sem_seg = PixelData(data=labels)
    if 'target' not in model.domains:
        with pytest.raises(ValueError, match='target'):
            model(model.data_preprocessor(data, training=True), mode='target')
        return
    with pytest.raises(ValueError, match='target'):
        domain_step(model, data, build_optimizer(model, cfg))


def test_losses_see_no_target_label(cfg, model, monkeypatch):
    if 'target' not in model.domains:
        pytest.skip('no target losses')
    seen = []
    kind = type(model)
    original = kind.target_losses

    def spy(self, target, source):
        seen.append((target, source))
        return original(self, target, source)

    monkeypatch.setattr(kind, 'target_losses', spy)
    run_steps(model, cfg, 1)
    for target, source in seen:
        assert target.labels is None
        assert target.inputs.labels is None
        assert all('gt_sem_seg' not in s for s in target.inputs.data_samples)
        assert source.labels is not None
        assert not source.images.requires_grad
    assert len(seen) == 1


def test_a_method_without_target_losses_runs_no_target_pass(cfg, model, monkeypatch):
    modes = []
    forward = type(model).forward

    def spy(self, inputs, data_samples=None, mode='tensor'):
        modes.append(mode)
        return forward(self, inputs, data_samples, mode)

    monkeypatch.setattr(type(model), 'forward', spy)
    run_steps(model, cfg, 1)
    overrides = type(model).target_losses is not UDASegmentor.target_losses
    assert modes == (['source', 'target'] if overrides else ['source'])


def test_two_passes_give_the_gradients_of_the_summed_loss(cfg, model):
    model.double()
    data = random_batch(3)
    expected = summed_gradients(model, data)
    optim_wrapper = build_optimizer(model, cfg)
    steps = record_steps(optim_wrapper, model)
    domain_step(model, data, optim_wrapper)
    (found,) = steps
    assert expected['backbone.conv1.weight'].abs().max() > 1e-6
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-10)
    assert not any(g.any() for g in gradients(model).values())


def test_accumulated_gradients_are_the_mean_and_step_every_second_time(cfg, model):
    model.double()
    batches = [random_batch(seed) for seed in range(5)]
    optim_wrapper = build_optimizer(model, cfg, accumulative_counts=2)
    optim_wrapper.initialize_count_status(model, 0, len(batches))
    steps, done = record_steps(optim_wrapper, model), []
    for data in batches:
        domain_step(model, data, optim_wrapper)
        done.append(len(steps))
    # The last iteration steps alone, and then counts whole.
    assert done == [0, 1, 1, 2, 3]
    for found, part in zip(
        steps, (batches[:2], batches[2:4], batches[4:]), strict=True
    ):
        expected = summed_gradients(model, *part)
        for name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-9)


def test_a_seed_starts_every_method_from_the_same_network(cfg):
    found = build_method(cfg.model).state_dict()
    for name, value in build_method(
        tiny_config('source_only').model
    ).named_parameters():
        assert torch.equal(found[name], value), name


def test_a_seed_determines_the_training(cfg):
    runs = []
    for _ in range(2):
        model = build_method(cfg.model, seed=7)
        begin_centers(model, random_batch(99))
        logs = run_steps(model, cfg, 2)
        runs.append((model.state_dict(), logs))
    (first, logs), (second, again) = runs
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert [log['loss'] for log in logs] == [log['loss'] for log in again]


def predicted_samples(model, seed=5):
    images = torch.randint(
        0, 256, (2, 3, 32, 64), generator=torch.Generator().manual_seed(seed)
    )
    data = dict(inputs=list(images.byte()), data_samples=[sample('target')] * 2)
    with torch.no_grad():
        return model.eval().test_step(copy.deepcopy(data))


def predict(model, seed=5):
    results = predicted_samples(model, seed)
    return torch.stack([result.seg_logits.data for result in results])


def test_a_saved_method_goes_on_as_the_one_in_memory(cfg, model, tmp_path):
    run_steps(model, cfg, 1)
    torch.save(model.state_dict(), tmp_path / 'method.pth')
    other = build_method(cfg.model, seed=1)
    other.load_state_dict(torch.load(tmp_path / 'method.pth', weights_only=True))
    assert torch.equal(predict(model), predict(other))
    data = random_batch(8)
    losses = [summed_loss(m.train(), data) for m in (model, other)]
    assert torch.equal(*losses)


def test_predicts_like_the_bare_segmentor(cfg, model):
    run_steps(model, cfg, 1)
    parts = ('backbone', 'decode_head', 'auxiliary_head', 'train_cfg', 'test_cfg')
    plain = {key: copy.deepcopy(cfg.model[key]) for key in parts}
    preprocessor = dict(cfg.model.data_preprocessor, type='SegDataPreProcessor')
    bare = MODELS.build(
        dict(type='EncoderDecoder', data_preprocessor=preprocessor, **plain)
    )
    weights = {
        key: value
        for key, value in model.state_dict().items()
        if key.startswith(('backbone.', 'decode_head.', 'auxiliary_head.'))
    }
    bare.load_state_dict(weights)
    assert torch.equal(predict(bare), predict(model))
    assert len(predict(model).unique()) > 100


def test_predictions_say_where_the_heads_agree(model):
    torch.manual_seed(3)
    seen = []

    def disturb(head, inputs, scores):
        # Those of a network that has not learnt are of one class.
        seen.append(torch.randn_like(scores))
        return seen[-1]

    model.decode_head.register_forward_hook(disturb)
    model.auxiliary_head.register_forward_hook(disturb)
    results = predicted_samples(model)
    main, other = (scores.argmax(1) for scores in seen)
    found = torch.cat([result.head_agreement.data for result in results])
    assert torch.equal(found, main == other)
    assert 0 < found.float().mean() < 1


def test_predictions_of_one_head_agree_with_none():
    model = build_method(dict(tiny_config('source_only').model, auxiliary_head=None))
    assert not any('head_agreement' in result for result in predicted_samples(model))
