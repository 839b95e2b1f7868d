"""The table of ranges names what there is, and its predicates know their values."""

import math

import pytest
from mmengine import optim
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import LOG_PROCESSORS
from torch.optim import Optimizer

import cfcontra_mm  # noqa: F401  registers the classes
from cfcontra_mm.config import ranges
from cfcontra_mm.config.arguments import arguments_of
from cfcontra_mm.config.parts import REGISTRIES, TOP, find_type
from cfcontra_mm.config.ranges import RANGES

CLASSES = [pattern for pattern in RANGES if pattern.lstrip('_')[0].isupper()]
SUBCLASSES = {Optimizer: 'optimizer', _ParamScheduler: 'param_scheduler'}


def classes_of(name):
    """Registered classes of this name, or of a base of this name."""
    for key in REGISTRIES:
        REGISTRIES[key].import_from_location()
        for registry in (REGISTRIES[key], REGISTRIES[key].parent, LOG_PROCESSORS):
            for kind in registry.module_dict.values() if registry is not None else ():
                if name in [base.__name__ for base in getattr(kind, '__mro__', ())]:
                    yield kind


@pytest.mark.parametrize('pattern', CLASSES)
def test_every_class_has_the_argument(pattern):
    name, argument = pattern.split('.')
    found = list(classes_of(name))
    assert found
    accepted = [arguments_of(kind) for kind in found]
    assert any(argument in a.names or a.others for a in accepted)


def test_every_other_pattern_begins_at_the_top_or_anywhere():
    others = {'center_images', 'stylising_workers', 'iterations'}
    for pattern in set(RANGES) - set(CLASSES):
        first = pattern.split('.')[0]
        assert '*' in first or first in TOP | others, pattern
    assert find_type('SGD', REGISTRIES['optimizer']) is optim.OPTIMIZERS.get('SGD')


@pytest.mark.parametrize(
    ('limits', 'inside', 'outside'),
    [
        ('COUNT', [1, 10**9], [0, -1, 1.0, True, '1', None, math.nan]),
        ('NATURAL', [0, 5], [-1, 0.5, False]),
        ('SEED', [0, 2**32 - 1], [-1, 2**32, True, 1.5]),
        ('COUNT_OR_NONE', [-1, 1], [0, -2]),
        ('POSITIVE', [1e-9, 3, math.inf], [0, -1, math.nan, '1', True]),
        ('NOT_NEGATIVE', [0, 0.0, 5], [-1e-9, 1e38, math.inf, math.nan, None, [1]]),
        ('FACTOR_OF_LR', [1e-9, 2], [0, -1, 1e38, math.inf]),
        ('FINITE', [-5, 0.5], [math.inf, -1e38, math.nan, 'x']),
        ('SHARE', [0, 1, 0.5], [-0.1, 1.1, math.nan, True]),
        ('BELOW_ONE', [0, 0.99], [1, -1]),
        ('SIZE', [5, (4, 8), [4, 8]], [0, (0, 5), (1, 2, 3), (), 'a', (1.5, 2)]),
        ('COUNTS', [3, (1, 2, 3)], [(), (1, 0), -1]),
        ('BETAS', [(0.9, 0.99)], [(0.9,), (0.9, 1), 0.9]),
        ('SWITCH', [True, False], [0, 1, 'True', None]),
        ('GROUP', [{}], [None, [], 5]),
        ('GROUPS', [[], [{}], ({},)], [{}, [5], None]),
    ],
)
def test_ranges(limits, inside, outside):
    holds = getattr(ranges, limits).holds
    assert all(map(holds, inside))
    assert not any(map(holds, outside))
