"""Every mIoU is that of its pixel counts, or it is refused."""

from dataclasses import replace

import numpy as np
import pytest

from cfcontra_mm.benchmark.results import Result
from cfcontra_mm.benchmark.tables.recount import check_counts
from cfcontra_mm.errors import InputError


def counted(path, hits):
    """Counts of two images and three classes, of which one is nowhere."""
    hits = np.array([hits, hits])
    union = np.full_like(hits, 50) * [1, 1, 0]
    np.savez(
        path,
        names=['a', 'b'],
        classes=['road', 'sky', 'train'],
        intersection=hits,
        union=union,
    )
    return path


@pytest.fixture
def result(tmp_path):
    """30 mIoU under target statistics and 20 under the running ones."""
    metrics = {'mIoU': 30.0, 'IoU.road': 40.0, 'IoU.sky': 20.0, 'IoU.train': np.nan}
    metrics |= {'running_statistics/mIoU': 20.0, 'statistics/images': 200}
    headline = counted(tmp_path / 'headline.npz', [20, 10, 0])
    other = counted(tmp_path / 'other.npz', [15, 5, 0])
    return Result('done', metrics=metrics, per_image=headline, per_image_other=other)


def check(result, **metrics):
    found = replace(result, metrics={**result.metrics, **metrics})
    check_counts({('MinEnt', 1): found, ('CLAN', 0): Result('failed')})


def test_figures_of_their_counts_are_accepted(result):
    check(result, mIoU=30.009)
    check(result, **{'running_statistics/mIoU': 20.009})


@pytest.mark.parametrize('miou', [30.02, 29.98, np.nan])
def test_another_figure_is_refused(result, miou):
    with pytest.raises(
        InputError, match=r'MinEnt seed 1, target .*, but 30\.00 by .*headline\.npz'
    ):
        check(result, mIoU=miou)


def test_another_figure_under_the_other_treatment_is_refused(result):
    with pytest.raises(InputError, match=r'running statistics: mIoU is 21\.00, but 20'):
        check(result, **{'running_statistics/mIoU': 21.0})


@pytest.mark.parametrize(
    ('name', 'said'), [('per_image', 'target'), ('per_image_other', 'running')]
)
def test_missing_counts_are_refused(result, name, said):
    with pytest.raises(InputError, match=f'{said} statistics: has no pixel counts'):
        check(replace(result, **{name: None}))
    if name == 'per_image_other':  # nothing was measured there
        metrics = {k: v for k, v in result.metrics.items() if '/mIoU' not in k}
        check(replace(result, metrics=metrics, per_image_other=None))


def test_images_without_labels_have_no_figure(result, tmp_path):
    path = tmp_path / 'none.npz'
    zeros = np.zeros((1, 3), int)
    classes = ['road', 'sky', 'train']
    np.savez(path, names=['a'], classes=classes, intersection=zeros, union=zeros)
    check(replace(result, per_image=path), mIoU=np.nan)
