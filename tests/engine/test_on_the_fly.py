"""Training with the source stylised while it is loaded."""

import shutil

import pytest
import torch
from helpers import CONFIGS, case_of, leaves
from mmengine.config import Config
from translators import write_checkpoint, write_config

from cfcontra_mm.contract.jobs import run_jobs, train

pytestmark = pytest.mark.slow
CONFIG = CONFIGS / 'cfcontra' / 'deeplabv2_r18_toystreets_on-the-fly.py'
WAYS = {
    'straight': {},
    'resumed': dict(resume=True),
    'resumed_with_workers': dict(resume=True, num_workers=2),
}


@pytest.fixture(scope='module')
def unlabelled(toystreets, tmp_path_factory):
    """The pair, but the training images of the target have no labels on the disk."""
    root = tmp_path_factory.mktemp('unlabelled') / 'toystreets'
    shutil.copytree(toystreets, root)
    shutil.rmtree(root / 'cityscapes' / 'gtFine' / 'train')
    return root


@pytest.fixture(scope='module')
def source(unlabelled, tmp_path_factory):
    """The source of the shipped config with another translator, as options."""
    folder = tmp_path_factory.mktemp('translator')
    source = Config.fromfile(CONFIG).train_dataloader.dataset.source.to_dict()
    (transform,) = (t for t in source['pipeline'] if t['type'] == 'AdaINStylize')
    transform.update(
        config=str(write_config(folder / 'config.py', unlabelled)),
        checkpoint=str(write_checkpoint(folder / 'iter_1.pth')),
        styles=transform['styles'].replace('data/toystreets', str(unlabelled)),
    )
    return {
        'train_dataloader.dataset.source.data_root': str(unlabelled / 'gta5'),
        'train_dataloader.dataset.source.pipeline': source['pipeline'],
    }


@pytest.fixture(scope='module')
def trained(unlabelled, source, tmp_path_factory):
    """Folder of the same training, made in several ways, and of one without style."""
    out = tmp_path_factory.mktemp('trained')
    for name, options in {**WAYS, 'plain': {}}.items():
        options = options if name == 'plain' else source | options
        if 'resume' in options:
            options |= dict(load_from=str(out / 'straight' / 'iter_2.pth'))
        run_jobs(
            train, [(case_of('cfcontra'), str(unlabelled), str(out / name), options)]
        )
    return out


def state(trained, name):
    path = trained / name / 'iter_4.pth'
    checkpoint = torch.load(path, weights_only=False)
    kept = ('state_dict', 'optimizer')
    return dict(leaves({key: checkpoint[key] for key in kept}))


def same(one, two):
    assert one.keys() == two.keys()
    return all(
        torch.equal(value, two[key]) if torch.is_tensor(value) else value == two[key]
        for key, value in one.items()
    )


@pytest.mark.parametrize('name', list(WAYS)[1:])
def test_ends_as_the_straight_training(trained, name):
    assert same(state(trained, 'straight'), state(trained, name))


def test_the_style_is_what_sets_it_apart(trained):
    assert not same(state(trained, 'straight'), state(trained, 'plain'))


def test_the_config_differs_from_the_copys_in_the_source_alone():
    ours, theirs = (
        dict(leaves(Config.fromfile(path).to_dict()))
        for path in (CONFIG, CONFIG.with_name('deeplabv2_r18_toystreets.py'))
    )
    different = {
        key
        for key in ours.keys() | theirs.keys()
        if ours.get(key, ...) != theirs.get(key, ...)
    }
    beginnings = ('train_dataloader.dataset.source.', 'source_pipeline.')
    assert different
    assert all(key.startswith(beginnings) for key in different)
