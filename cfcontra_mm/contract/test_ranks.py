"""Two processes with an image per domain train like one process with both images."""

import copy
import warnings
from collections.abc import Callable
from functools import reduce

import pytest
import torch
from torch import Tensor

from cfcontra_mm.engine import measure_loss_shares
from cfcontra_mm.engine.step import make_passes
from cfcontra_mm.methods import DomainInputs, UDASegmentor

from .cases import Case
from .jobs import RANKS, batch_of, build_still, run_jobs, step_on_ranks
from .tiny import (
    after_step,
    build_hooks,
    build_optimizer,
    gradients,
    losses_of,
    merged,
)

pytestmark = pytest.mark.slow
DEPENDS = (
    'a loss or the result of passes() depends on the ranks; draw the random numbers of '
    'an image under seeded_as(sample), sum over the batch with all_reduce, and divide '
    'a loss by mean_over_ranks(number of its pixels)'
)
Gradients = dict[str, Tensor]


@pytest.fixture(scope='module')
def ranks(case: Case, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Return the shares, the gradients and the state of two processes, by rank."""
    folder = str(tmp_path_factory.mktemp('ranks'))
    jobs = [(case, rank, folder) for rank in range(RANKS)]
    run_jobs(step_on_ranks, jobs, at_once=RANKS)
    return [torch.load(f'{folder}/rank{rank}.pth') for rank in range(RANKS)]


@pytest.fixture(scope='module')
def alone(case: Case) -> dict:
    """Return what a process with all ranks' images finds."""
    model, cfg = build_still(case)
    hooks, steps = build_hooks(cfg), []
    data = merged(*(batch_of(rank, 0) for rank in range(RANKS)))
    shares = measure_loss_shares(model, data, build_optimizer(model, cfg))
    for iteration in range(2):
        steps.append(gradients_of(model, loss_of_all_images, iteration))
        after_step(model, hooks)
    return dict(steps=steps, state=model.state_dict(), shares=shares)


@pytest.fixture(scope='module')
def separate(case: Case) -> list[Gradients]:
    """Return the gradients of a process with separate passes for each rank."""
    model, _ = build_still(case)
    return [gradients_of(copy.deepcopy(model), loss_of_parts, i) for i in range(2)]


def gradients_of(
    model: UDASegmentor, loss: Callable[[UDASegmentor, int], Tensor], iteration: int
) -> Gradients:
    """Compute the gradients of a loss in an iteration."""
    model.zero_grad()
    loss(model, iteration).backward()
    return gradients(model)


def loss_of_all_images(model: UDASegmentor, iteration: int) -> Tensor:
    """Compute the loss of one process, in passes made of all images."""
    data = merged(*(batch_of(rank, iteration) for rank in range(RANKS)))
    passes = make_passes(model, copy.deepcopy(data))
    return loss_of(model, passes, data)


def loss_of_parts(model: UDASegmentor, iteration: int) -> Tensor:
    """Compute the loss of one process, in passes made of the images of each rank."""
    parts = [batch_of(rank, iteration) for rank in range(RANKS)]
    made = [make_passes(model, copy.deepcopy(part)) for part in parts]
    passes = {name: joined([passes[name] for passes in made]) for name in made[0]}
    return loss_of(model, passes, parts[0])


def loss_of(model: UDASegmentor, passes: dict[str, DomainInputs], data: dict) -> Tensor:
    """Compute the summed loss of passes, under the seeds of a batch."""
    meta = data['data_samples'][0].metainfo
    loss: Tensor = model.parse_losses(losses_of(model, passes, meta))[0]
    return loss


def joined(parts: list[DomainInputs]) -> DomainInputs:
    """Join the inputs of a pass."""
    labels = joined_maps([part.labels for part in parts])
    weights = joined_maps([part.weights for part in parts])
    samples = [sample for part in parts for sample in part.data_samples]
    images = torch.cat([part.images for part in parts])
    return DomainInputs(images, labels, samples, weights)


def joined_maps(maps: list[Tensor | None]) -> Tensor | None:
    """Join the labels or the weights of a pass, if it has any."""
    found = [tensor for tensor in maps if tensor is not None]
    return torch.cat(found) if found else None


def mean(values: list[Tensor]) -> Tensor:
    """Compute the mean of tensors."""
    return reduce(torch.add, values) / len(values)


def test_gradients_are_those_of_all_images(
    case: Case, ranks: list[dict], alone: dict, separate: list[Gradients]
) -> None:
    for iteration, expected in enumerate(alone['steps']):
        found = [rank[1]['steps'][iteration] for rank in ranks]
        check(case, found, expected, separate[iteration])


def test_accumulated_gradients_are_the_mean(
    case: Case, ranks: list[dict], alone: dict, separate: list[Gradients]
) -> None:
    assert [len(rank[2]['steps']) for rank in ranks] == [1, 1]
    found = [rank[2]['steps'][0] for rank in ranks]
    check(case, found, mean_of(alone['steps']), mean_of(separate))


def mean_of(steps: list[Gradients]) -> Gradients:
    """Compute the mean gradients of steps."""
    return {name: mean([step[name] for step in steps]) for name in steps[0]}


def check(
    case: Case, found: list[Gradients], expected: Gradients, separate: Gradients
) -> None:
    """Compare the gradients of two ranks with the expected ones."""
    assert max(gradient.abs().max() for gradient in expected.values()) > 1e-3
    for name in expected:
        assert torch.equal(found[0][name], found[1][name]), f'gradient of {name}'
    wrong = farthest(found[0], expected)
    if wrong and case.modules and not farthest(found[0], separate):
        # A method of another package may depend on the ranks; its author should know.
        warnings.warn(f'{case}: {DEPENDS}', stacklevel=2)
        return
    assert not wrong, f'gradient of {wrong}; perhaps {DEPENDS}'


def farthest(found: Gradients, expected: Gradients) -> str | None:
    """Return the parameter whose gradient differs the most, if any does.

    It may by float32, in which a method may compute what it passes on.
    """
    gaps = {k: relative_gap(found[k], expected[k]) for k in expected}
    name = max(gaps, key=lambda key: gaps[key])
    return name if gaps[name] > 1e-5 else None


def relative_gap(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a share of the largest value."""
    return float((found - expected).abs().max() / (1e-3 + expected.abs().max()))


def test_the_state_is_the_same_on_all_ranks(ranks: list[dict]) -> None:
    first, second = (rank[1]['state'] for rank in ranks)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_the_state_is_that_of_all_images(
    case: Case, ranks: list[dict], alone: dict
) -> None:
    if case.modules:
        pytest.skip('the passes of a method of another package may depend on the ranks')
    for name, expected in alone['state'].items():
        found = ranks[0][1]['state'][name]
        assert torch.allclose(found, expected, rtol=1e-6, atol=1e-8), name


def test_the_shares_of_the_losses_are_those_of_all_images(
    case: Case, ranks: list[dict], alone: dict
) -> None:
    first, second = (rank[1]['shares'] for rank in ranks)
    assert str(first) == str(second)  # NaN is not equal to itself
    if case.modules:
        pytest.skip('the passes of a method of another package may depend on the ranks')
    assert first.keys() == alone['shares'].keys()
    for term, expected in alone['shares'].items():
        *measured, supervised, trains = expected
        *found, is_supervised, also_trains = first[term].values()
        wanted = pytest.approx(measured, rel=1e-4, abs=1e-7, nan_ok=True)
        assert found == wanted, term
        assert (is_supervised, also_trains) == (supervised, trains)
