"""From the source's labels to a translated copy, each command as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]
ADAIN = ROOT / 'configs' / 'adain'
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def place(toystreets, tmp_path_factory):
    """A working directory whose data are the small pair."""
    folder = tmp_path_factory.mktemp('place')
    (folder / 'data').mkdir()
    (folder / 'data' / 'toystreets').symlink_to(toystreets)
    return folder


def environment():
    return os.environ | dict(
        CUDA_VISIBLE_DEVICES='',
        OMP_NUM_THREADS='1',
        PYTHON=sys.executable,
        PYTHONPATH=str(ROOT),
    )


def start(command, place):
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=place,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(place, *command):
    process = start(command, place)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-4000:]
    return output


def train(place, config, *arguments, iterations=4, options=()):
    command = [sys.executable, ROOT / 'tools' / 'train.py', config, *arguments]
    settings = [
        f'train_cfg.max_iters={iterations}',
        f'train_cfg.val_interval={iterations}',
        'default_hooks.checkpoint.interval=2',
        'default_hooks.logger.interval=1',
        *options,
    ]
    return run(place, *command, '--cfg-options', *settings)


STYLE = [
    'model.encoder.weights=work_dirs/adain/encoder_toystreets/iter_2.pth',
    'val_dataloader.sampler.num_batches=2',
    'train_dataloader.batch_size=4',
    'train_dataloader.sampler.per_domain.source=2',
    'train_dataloader.sampler.per_domain.target=2',
]


@pytest.fixture(scope='module')
def trained(place):
    """Output of the training of a style transfer, its encoder trained before."""
    train(place, ADAIN / 'encoder_toystreets.py', iterations=2)
    return train(place, ADAIN / 'adain_toystreets.py', options=STYLE)


def work_dir(place, name='adain_toystreets'):
    return place / 'work_dirs' / 'adain' / name


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def test_both_losses_and_the_distances_are_logged(place, trained):
    for name in ('loss_content', 'loss_style', 'style_distance/translated'):
        assert f'{name}: ' in trained
    scalars = next(work_dir(place).glob('*/vis_data/scalars.json')).read_text()
    entries = [json.loads(line) for line in scalars.splitlines()]
    rates = [entry['lr'] for entry in entries if 'lr' in entry]
    assert len(rates) == 4
    assert rates[0] > rates[-1] > 0


def test_every_validation_leaves_a_sheet(place, trained):
    (path,) = work_dir(place).glob('*/vis_data/vis_image/style_transfer_*.png')
    sheet = np.array(Image.open(path))
    # Content, style and translation of 64x32 beside each other, two rows.
    assert sheet.shape == (16 + 4 + 2 * (32 + 4), 4 + 3 * (64 + 4), 3)
    contents = [sheet[20 + 36 * row : 52 + 36 * row, 4:68] for row in range(2)]
    sources = sorted((place / 'data/toystreets/gta5/images').glob('*.png'))
    originals = [np.array(Image.open(path)) for path in sources]
    for content in contents:
        assert any(np.array_equal(content, image) for image in originals)


def test_the_encoder_is_the_trained_one_and_stays(place, trained):
    encoder = weights(work_dir(place, 'encoder_toystreets') / 'iter_2.pth')
    transfer = weights(work_dir(place) / 'iter_4.pth')
    half = weights(work_dir(place) / 'iter_2.pth')
    for key, value in transfer.items():
        kind, _, name = key.partition('.')
        if kind == 'encoder':
            assert torch.equal(value, encoder[f'backbone.{name}']), key
        else:
            assert not torch.equal(value, half[key]), key


def test_a_resumed_training_ends_as_one_that_never_stopped(place, trained):
    half = work_dir(place) / 'iter_2.pth'
    arguments = ['--work-dir', 'resumed', '--resume', half]
    train(place, ADAIN / 'adain_toystreets.py', *arguments, options=STYLE)
    straight = weights(work_dir(place) / 'iter_4.pth')
    resumed = weights(place / 'resumed' / 'iter_4.pth')
    assert straight.keys() == resumed.keys()
    for key, value in straight.items():
        assert torch.equal(value, resumed[key]), key


def test_two_ranks_with_half_the_batch_train_what_one_does(place, trained):
    halves = [
        *STYLE[:-3],
        'train_dataloader.batch_size=2',
        'train_dataloader.sampler.per_domain.source=1',
        'train_dataloader.sampler.per_domain.target=1',
        'train_cfg.max_iters=4',
        'train_cfg.val_interval=4',
        'default_hooks.checkpoint.interval=2',
    ]
    script = ROOT / 'tools' / 'dist_train.sh'
    config = ADAIN / 'adain_toystreets.py'
    arguments = ['--work-dir', 'ranks', '--cfg-options', *halves]
    run(place, 'bash', script, config, 2, *arguments)
    one = weights(work_dir(place) / 'iter_4.pth')
    two = weights(place / 'ranks' / 'iter_4.pth')
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, atol=1e-5, rtol=0, msg=key)


def test_the_copy_serves_cfcontras_config(place, trained):
    tool = ROOT / 'tools' / 'translate_dataset.py'
    checkpoint = work_dir(place) / 'iter_4.pth'
    config = ADAIN / 'adain_toystreets.py'
    run(place, sys.executable, tool, config, checkpoint, '--out', 'data/translated')
    options = [
        'train_dataloader.dataset.source.data_root=data/translated',
        'custom_hooks.0.max_images=2',
    ]
    cfcontra = ROOT / 'configs' / 'cfcontra' / 'deeplabv2_r18_toystreets.py'
    train(place, cfcontra, iterations=2, options=options)


def test_a_missing_encoder_is_one_line(place):
    command = [sys.executable, ROOT / 'tools' / 'train.py']
    command += [ADAIN / 'adain_toystreets.py', '--work-dir', 'none']
    command += ['--cfg-options', 'model.encoder.weights=none.pth']
    process = start(command, place)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 2
    last = output.strip().splitlines()[-1]
    assert last.startswith('error: none.pth: no such file')
    assert 'model.encoder.weights' in last
    assert 'Traceback' not in output
