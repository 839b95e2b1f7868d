"""Two processes of one image a domain train as one process that has both images."""

import copy

import pytest
import torch

from cfcontra_mm.engine.step import make_passes

from .jobs import RANKS, batch_of, build_still, run_jobs, step_on_ranks
from .tiny import after_step, build_hooks, gradients, losses_of, merged

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def ranks(case, tmp_path_factory):
    """What each of two processes saw, by rank."""
    folder = str(tmp_path_factory.mktemp('ranks'))
    jobs = [(case, rank, folder) for rank in range(RANKS)]
    run_jobs(step_on_ranks, jobs, at_once=RANKS)
    return [torch.load(f'{folder}/rank{rank}.pth') for rank in range(RANKS)]


@pytest.fixture(scope='module')
def alone(case):
    """What one process sees that has all ranks' images: gradients and the state."""
    model, cfg = build_still(case)
    hooks, steps = build_hooks(cfg), []
    for iteration in range(2):
        model.zero_grad()
        loss_of_all_ranks(model, iteration).backward()
        steps.append(gradients(model))
        after_step(model, hooks)
    return dict(steps=steps, state=model.state_dict())


def loss_of_all_ranks(model, iteration):
    """Mean over the ranks of the loss of their images, in passes made for all."""
    data = merged(*(batch_of(rank, iteration) for rank in range(RANKS)))
    meta = data['data_samples'][0].metainfo
    passes = make_passes(model, copy.deepcopy(data))
    losses = [
        losses_of(model, {n: part_of(p, rank) for n, p in passes.items()}, meta)
        for rank in range(RANKS)
    ]
    return sum(model.parse_losses(of_rank)[0] for of_rank in losses) / RANKS


def part_of(inputs, rank):
    """A rank's images of a pass."""
    rows = [i for i, s in enumerate(inputs.data_samples) if s.rank == rank]
    tensors = (inputs.images, inputs.labels, inputs.weights)
    images, labels, weights = (None if t is None else t[rows] for t in tensors)
    samples = [inputs.data_samples[i] for i in rows]
    return inputs._replace(
        images=images, labels=labels, weights=weights, data_samples=samples
    )


def test_gradients_are_those_of_all_images(ranks, alone):
    for iteration, expected in enumerate(alone['steps']):
        check([rank[1]['steps'][iteration] for rank in ranks], expected)


def test_accumulated_gradients_are_the_mean(ranks, alone):
    assert [len(rank[2]['steps']) for rank in ranks] == [1, 1]
    first, second = alone['steps']
    expected = {name: (first[name] + second[name]) / 2 for name in first}
    check([rank[2]['steps'][0] for rank in ranks], expected)


def check(found, expected):
    assert max(gradient.abs().max() for gradient in expected.values()) > 1e-3
    for name, gradient in expected.items():
        assert torch.equal(found[0][name], found[1][name]), name
        torch.testing.assert_close(
            found[0][name], gradient, rtol=0, atol=1e-8, msg=f'gradient of {name}'
        )


def test_what_is_kept_is_that_of_all_images(ranks, alone):
    for name, expected in alone['state'].items():
        for rank in ranks:
            found = rank[1]['state'][name]
            assert torch.allclose(found, expected, rtol=1e-6, atol=1e-8), name
