"""Which validations a training should have made."""

import pytest

from cfcontra_mm.benchmark.results.validations import missing_validations


def settings(loader=True, **loop):
    return {'train_cfg': loop, 'val_dataloader': {'batch_size': 1} if loader else None}


@pytest.mark.parametrize(
    ('loop', 'made', 'missing'),
    [
        (dict(max_iters=400, val_interval=100), [100, 200, 300, 400], []),
        (dict(max_iters=400, val_interval=100), [100, 400], [200, 300]),
        (dict(max_iters=400, val_interval=100), [100, 200, 300], [400]),
        # The last iteration is always one of them.
        (dict(max_iters=350, val_interval=100), [100, 200, 300], [350]),
        (dict(max_iters=400), [], [400]),
        (dict(max_iters=1500), [1500], [1000]),
        (dict(max_iters=400, val_interval=100, val_begin=250), [], [300, 400]),
        (dict(max_iters=400, val_interval=100, val_begin=500), [], []),
        (dict(max_iters=400, dynamic_intervals=[(0, 50)]), [], []),
        (dict(type='EpochBasedTrainLoop', max_epochs=3), [], []),
    ],
)
def test_due_and_not_made(loop, made, missing):
    assert missing_validations(settings(**loop), made) == missing


def test_without_data_nothing_is_due():
    assert missing_validations(settings(False, max_iters=400), []) == []
    assert missing_validations({}, []) == []
