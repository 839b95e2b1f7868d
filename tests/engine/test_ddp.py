"""Two processes of one image a domain train as one process does."""

import pytest
import torch
from ddp_worker import RANKS, batch_of, build, cases
from helpers import merged, summed_gradients, summed_loss

from cfcontra_mm.engine.hooks import move_centers

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('case', cases())
def test_gradients_are_those_of_the_mean_of_all_ranks(ranks, case):
    model, _ = build(case)
    steps = [rank[case][1] for rank in ranks]
    assert [len(of_rank) for of_rank in steps] == [2, 2]
    for iteration, found in enumerate(zip(*steps, strict=True)):
        batches = [batch_of(rank, iteration) for rank in range(RANKS)]
        check(found, summed_gradients(model, *batches))


@pytest.mark.parametrize('case', cases())
def test_accumulated_gradients_are_the_mean_of_ranks_and_iterations(ranks, case):
    model, _ = build(case)
    steps = [rank[case][2] for rank in ranks]
    assert [len(of_rank) for of_rank in steps] == [1, 1]
    batches = [batch_of(rank, i) for rank in range(RANKS) for i in range(2)]
    check([of_rank[0] for of_rank in steps], summed_gradients(model, *batches))


def check(found, expected):
    assert max(gradient.abs().max() for gradient in expected.values()) > 1e-3
    for name, gradient in expected.items():
        assert torch.equal(found[0][name], found[1][name]), name
        torch.testing.assert_close(
            found[0][name], gradient, rtol=0, atol=1e-10, msg=f'gradient of {name}'
        )


def test_the_split_parameters_are_touched_as_intended(ranks):
    model, _ = build('split_parameters')
    alone = [summed_gradients(model, batch_of(rank, 0)) for rank in range(RANKS)]
    touched = [bool(gradients['of_rank'].any()) for gradients in alone]
    assert sorted(touched) == [False, True]
    for name in ('of_source', 'of_target', 'of_both'):
        assert all(gradients[name].any() for gradients in alone)
    assert not ranks[0]['split_parameters'][1][0]['of_none'].any()


@pytest.mark.parametrize('case', [c for c in cases() if c != 'split_parameters'])
def test_centers_move_as_on_one_rank_with_all_images(ranks, case):
    model, _ = build(case)
    if not hasattr(model, 'class_centers'):
        pytest.skip('no class centers')
    before = model.class_centers.centers.clone()
    for iteration in range(2):
        everything = merged(*(batch_of(rank, iteration) for rank in range(RANKS)))
        summed_loss(model, everything)
    move_centers(model.class_centers)
    expected = model.class_centers.state_dict()
    assert not torch.allclose(expected['centers'], before, atol=1e-3)
    for rank in ranks:
        found = rank[case]['centers']
        assert torch.equal(found['initialized'], expected['initialized'])
        torch.testing.assert_close(
            found['centers'], expected['centers'], rtol=1e-5, atol=1e-5
        )


def test_running_statistics_are_the_mean_of_the_ranks(ranks):
    alone = torch.stack([rank['statistics'][0] for rank in ranks])
    assert not torch.equal(alone[0], alone[1])
    for rank in ranks:
        torch.testing.assert_close(rank['statistics'][1], alone.mean(0))
