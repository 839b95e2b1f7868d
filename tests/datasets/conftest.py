import pytest
from mmseg.registry import DATASETS
from raw_files import source_cfg, target_cfg, write_cityscapes, write_gta5


@pytest.fixture(autouse=True)
def _mmseg(mmseg_scope):
    """Data sets are built from their configs."""


@pytest.fixture
def make_pair(tmp_path):
    """A `DomainDataset` of so many source and target images."""

    def make(num_source=5, num_target=3, augment=()):
        stems = [f'{n:05}' for n in range(1, num_source + 1)]
        source = write_gta5(tmp_path / 'gta5', stems)
        target = write_cityscapes(tmp_path / 'city', 'train', num_target)
        return DATASETS.build(
            dict(
                type='DomainDataset',
                source=source_cfg(source, augment),
                target=target_cfg(target, augment),
            )
        )

    return make
