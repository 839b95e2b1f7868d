"""What only some ranks or passes touch is averaged over all of them."""

import pytest
import torch
from ddp_worker import split_parameters, uneven_batch
from helpers import summed_gradients

from cfcontra_mm.contract.jobs import RANKS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('counts', [1, 2])
def test_gradients_are_the_mean_of_ranks_and_accumulated_iterations(ranks, counts):
    model, _ = split_parameters()
    for step in range(2 // counts):
        iterations = range(counts * step, counts * (step + 1))
        batches = [uneven_batch(rank, i) for rank in range(RANKS) for i in iterations]
        found = [rank['split'][counts][step] for rank in ranks]
        for name, gradient in summed_gradients(model, *batches).items():
            assert torch.equal(found[0][name], found[1][name]), name
            torch.testing.assert_close(found[0][name], gradient, rtol=0, atol=1e-10)


def test_the_split_parameters_are_touched_as_intended(ranks):
    model, _ = split_parameters()
    alone = [summed_gradients(model, uneven_batch(rank, 0)) for rank in range(RANKS)]
    touched = [bool(gradients['of_rank'].any()) for gradients in alone]
    assert sorted(touched) == [False, True]
    for name in ('of_source', 'of_target', 'of_both'):
        assert all(gradients[name].any() for gradients in alone)
    assert not ranks[0]['split'][1][0]['of_none'].any()


def test_running_statistics_are_the_mean_of_the_ranks(ranks):
    alone = torch.stack([rank['statistics'][0] for rank in ranks])
    assert not torch.equal(alone[0], alone[1])
    for rank in ranks:
        torch.testing.assert_close(rank['statistics'][1], alone.mean(0))
