import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

from cfcontra_mm.engine import InverseTimeLR


def rates(iterations, resume_at=None):
    """Rates of an optimiser over iterations, its schedule reloaded at one of them."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = OptimWrapper(torch.optim.Adam([weight], lr=1e-4))
    schedule = InverseTimeLR(optimizer, decay=5e-5, by_epoch=False)
    found = []
    for iteration in range(iterations):
        if iteration == resume_at:
            state = schedule.state_dict()
            schedule = InverseTimeLR(optimizer, decay=5e-5, by_epoch=False)
            optimizer.param_groups[0]['lr'] = found[-1]
            schedule.load_state_dict(state)
            optimizer.param_groups[0]['lr'] = schedule.get_last_value()[0]
        found.append(optimizer.param_groups[0]['lr'])
        weight.grad = torch.ones(1)
        optimizer.step()
        schedule.step()
    return torch.tensor(found, dtype=torch.float64)


def test_the_rate_is_divided_by_one_plus_decay_times_the_iteration():
    i = torch.arange(2000, dtype=torch.float64)
    expected = 1e-4 / (1 + 5e-5 * i)
    torch.testing.assert_close(rates(2000), expected, rtol=1e-9, atol=0)


def test_a_reloaded_schedule_goes_on():
    torch.testing.assert_close(rates(50, resume_at=20), rates(50), rtol=1e-9, atol=0)


def test_configs_find_it():
    assert PARAM_SCHEDULERS.get('mmseg.InverseTimeLR') is InverseTimeLR
