"""Every network as a user trains, resumes, tests and exports it."""

import json
import sys

import pytest
from test_tools import ROOT, start, succeeded

CONFIG = ROOT / 'configs' / 'minent' / 'deeplabv2_r101_gta2city.py'
# One process, since most of the time of a tool is that of its imports.
RUN = """
import json, runpy, sys

for name, *arguments in json.loads(sys.argv[1]):
    sys.argv = [name, *arguments]
    runpy.run_path(name, run_name='__main__')
"""


def run(cwd, *commands):
    """Run tools one after the other; returns what they print."""
    lines = [
        [str(ROOT / 'tools' / name), *map(str, arguments)]
        for name, *arguments in commands
    ]
    done = start(sys.executable, '-c', RUN, json.dumps(lines), cwd=cwd)
    succeeded(done)
    return done.stdout


@pytest.fixture
def options(toystreets):
    """A run of two iterations from random weights on a few small images."""
    city = toystreets / 'cityscapes'
    return [
        '--pair',
        'toystreets',
        '--cfg-options',
        'model.backbone.weights=None',
        f'train_dataloader.dataset.source.data_root={toystreets / "gta5"}',
        f'train_dataloader.dataset.target.data_root={city}',
        f'val_dataloader.dataset.data_root={city}',
        f'test_dataloader.dataset.data_root={city}',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'default_hooks.checkpoint.interval=1',
        # SegFormer attends to blocks of 32 pixels.
        'tta_pipeline.1.transforms.0.0.scale_factor=1.5',
    ]


@pytest.mark.slow
@pytest.mark.parametrize('network', ['segformer_b0', 'efficientnet_lite0', 'dinov2_s'])
def test_the_tools_take_the_network(network, tmp_path, options, toystreets):
    from mmseg.apis import inference_model, init_model

    from cfcontra_mm.engine.checkpoints import load_segmentor
    from cfcontra_mm.models.export import plain_pipeline

    folder = tmp_path / 'work_dirs' / 'minent' / f'{network}_toystreets'
    trained = folder / 'iter_2.pth'
    common = [CONFIG, '--network', network]
    resume = ['--resume', folder / 'iter_1.pth', '--work-dir', tmp_path / 'resumed']
    out = run(
        tmp_path,
        ['train.py', *common, *options],
        ['train.py', *common, *resume, '--amp', *options],
        ['test.py', *common, trained, '--tta', *options],
        ['export.py', trained, '--out', tmp_path / 'plain'],
    )
    assert 'resumed epoch: 0, iter: 1' in out
    assert (tmp_path / 'resumed' / 'iter_2.pth').exists()
    assert out.count('mIoU:') == 3
    image = next(toystreets.glob('cityscapes/leftImg8bit/val/*/*.png'))
    plain = init_model(
        tmp_path / 'plain/model.py', str(tmp_path / 'plain/model.pth'), device='cpu'
    )
    assert not type(plain.backbone).__module__.startswith('cfcontra_mm')
    method = load_segmentor(trained).cpu()
    method.cfg.test_pipeline = plain_pipeline(method.cfg)
    logits = [
        inference_model(model, str(image)).seg_logits.data for model in (plain, method)
    ]
    assert (logits[0] - logits[1]).abs().max() < 1e-5
    assert logits[0].shape == (19, 32, 64)


@pytest.mark.slow
def test_missing_weights_are_one_line(tmp_path, options):
    weights = f'model.backbone.weights={tmp_path / "none.pth"}'
    options[options.index('model.backbone.weights=None')] = weights
    arguments = ['--network', 'segformer_b0', *options]
    done = start(
        sys.executable, ROOT / 'tools/train.py', CONFIG, *arguments, cwd=tmp_path
    )
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f'error: {tmp_path}/none.pth: no such file or directory; ')
