"""A training step: its passes, its gradients and its state."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from cfcontra_mm.engine import domain_step
from cfcontra_mm.engine.step import make_passes
from cfcontra_mm.methods import DomainInputs, UDASegmentor

from .cases import Case
from .tiny import (
    build_method,
    build_optimizer,
    gradients,
    predicted_logits,
    random_batch,
    random_labels,
    record_steps,
    summed_gradients,
    summed_loss,
    warm_up,
)


def run_steps(model: UDASegmentor, cfg: Config, count: int) -> list[dict[str, Tensor]]:
    """Make steps on random batches; return their logs."""
    optim_wrapper = build_optimizer(model, cfg)
    return [domain_step(model, random_batch(i), optim_wrapper) for i in range(count)]


def test_two_steps_are_finite_and_move_the_network(
    cfg: Config, model: UDASegmentor
) -> None:
    before = copy.deepcopy(model.state_dict())
    for log in run_steps(model, cfg, 2):
        assert log['loss'].isfinite()
        assert all(torch.as_tensor(value).isfinite().all() for value in log.values())
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    for part in ('backbone.', 'decode_head.'):
        assert any(key.startswith(part) for key in moved)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_the_total_is_the_sum_of_the_logged_losses(
    cfg: Config, model: UDASegmentor
) -> None:
    (log,) = run_steps(model, cfg, 1)
    parts = [v for k, v in log.items() if 'loss' in k and k != 'loss']
    assert parts
    torch.testing.assert_close(log['loss'], sum(parts))


def test_a_target_label_is_refused(cfg: Config, model: UDASegmentor) -> None:
    data = random_batch(0)
    labels = random_labels(torch.Generator())
    data['data_samples'][1].gt_sem_seg = PixelData(data=labels)
    with pytest.raises(ValueError, match='target'):
        domain_step(model, data, build_optimizer(model, cfg))


def test_passes_see_no_target_label(
    model: UDASegmentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = type(model).passes

    def spy(
        self: UDASegmentor, source: DomainInputs, target: DomainInputs
    ) -> dict[str, DomainInputs]:
        seen.append((source, target))
        return original(self, source, target)

    monkeypatch.setattr(type(model), 'passes', spy)
    passes = make_passes(model, random_batch(0))
    ((source, target),) = seen
    assert source.labels is not None
    assert target.labels is None
    for inputs in (target, *passes.values()):
        of_target = [s for s in inputs.data_samples if s.domain == 'target']
        assert not any('gt_sem_seg' in sample for sample in of_target)


def test_passes_hold_no_graph_and_run_once_each(
    cfg: Config, model: UDASegmentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    forward = type(model).forward

    def spy(
        self: UDASegmentor,
        inputs: Tensor | DomainInputs,
        data_samples: list[SegDataSample] | None = None,
        mode: str = 'tensor',
    ) -> object:
        ran.append((mode, inputs))
        return forward(self, inputs, data_samples, mode)

    wanted = list(make_passes(model, random_batch(0)))
    monkeypatch.setattr(type(model), 'forward', spy)
    run_steps(model, cfg, 1)
    passes = [(mode, x) for mode, x in ran if isinstance(x, DomainInputs)]
    assert [mode for mode, _ in passes] == wanted
    assert not any(inputs.images.requires_grad for _, inputs in passes)


def test_a_step_has_the_gradients_of_the_summed_loss(
    cfg: Config, model: UDASegmentor
) -> None:
    model.double()
    data = random_batch(3)
    expected = summed_gradients(model, data)
    optim_wrapper = build_optimizer(model, cfg)
    steps = record_steps(optim_wrapper, model)
    domain_step(model, data, optim_wrapper)
    (found,) = steps
    assert max(gradient.abs().max() for gradient in expected.values()) > 1e-6
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-10)
    assert not any(g.any() for g in gradients(model).values())


def test_accumulated_gradients_are_the_mean_and_step_every_second_time(
    cfg: Config, model: UDASegmentor
) -> None:
    model.double()
    batches = [random_batch(seed) for seed in range(5)]
    parts = (batches[:2], batches[2:4], batches[4:])
    expected = [summed_gradients(model, *part) for part in parts]
    optim_wrapper = build_optimizer(model, cfg, accumulative_counts=2)
    optim_wrapper.initialize_count_status(model, 0, len(batches))
    steps, done = record_steps(optim_wrapper, model), []
    for data in batches:
        domain_step(model, data, optim_wrapper)
        done.append(len(steps))
    # The last iteration makes a step of its own, with its full gradient.
    assert done == [0, 1, 1, 2, 3]
    for found, wanted in zip(steps, expected, strict=True):
        for name in wanted:
            torch.testing.assert_close(found[name], wanted[name], rtol=0, atol=1e-9)


def test_a_seed_starts_every_method_from_the_same_network(
    case: Case, cfg: Config
) -> None:
    found = build_method(cfg.model).state_dict()
    plain = build_method(Case('SourceOnly', case.network).load().model).state_dict()
    shared = plain.keys() & found.keys()
    assert {name for name in plain if name.startswith('backbone.')} <= shared
    assert [n for n in sorted(shared) if not torch.equal(found[n], plain[n])] == []


def test_a_seed_determines_the_training_whatever_ran_before(cfg: Config) -> None:
    runs = []
    for before in range(2):
        model = warm_up(build_method(cfg.model, seed=7), cfg)
        torch.rand(before)
        logs = run_steps(model, cfg, 2)
        runs.append((model.state_dict(), logs))
    (first, logs), (second, again) = runs
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
    assert [log['loss'] for log in logs] == [log['loss'] for log in again]


def test_a_saved_method_continues_as_the_one_in_memory(
    cfg: Config, model: UDASegmentor, tmp_path: Path
) -> None:
    run_steps(model, cfg, 1)
    torch.save(model.state_dict(), tmp_path / 'method.pth')
    # Values that are not saved keep those of the initialisation.
    other = build_method(cfg.model)
    for value in other.state_dict().values():
        value.zero_()
    other.load_state_dict(torch.load(tmp_path / 'method.pth', weights_only=True))
    assert torch.equal(predicted_logits(model), predicted_logits(other))
    losses = [summed_loss(m.train(), random_batch(8)) for m in (model, other)]
    assert torch.equal(*losses)
