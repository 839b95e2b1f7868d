"""Each command as a user runs it."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]
TOOLS = ['train.py', 'test.py', 'infer.py', 'export.py', 'translate_dataset.py']
CONFIG = ROOT / 'configs' / 'cfcontra' / 'deeplabv2_r18_toystreets.py'
# Runs in a process that cannot import this package.
PLAIN = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'cfcontra_mm':
            raise ImportError(f'{name} is blocked')

sys.meta_path.insert(0, Blocker())
import numpy as np
from mmseg.apis import inference_model, init_model

config, checkpoint, image, out = sys.argv[1:]
model = init_model(config, checkpoint, device='cpu')
result = inference_model(model, image)
assert 'cfcontra_mm' not in sys.modules
np.savez(
    out,
    labels=result.pred_sem_seg.data.numpy(),
    logits=result.seg_logits.data.numpy(),
    classes=model.dataset_meta['classes'],
)
"""


def start(*command, cwd=None):
    """Run a command on the CPU; returns its exit status, output and errors."""
    environment = dict(
        os.environ,
        CUDA_VISIBLE_DEVICES='',
        OMP_NUM_THREADS='1',
        PYTHON=sys.executable,
        PYTHONPATH=str(ROOT),
    )
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def tool(name, *arguments, cwd=None):
    return start(sys.executable, ROOT / 'tools' / name, *arguments, cwd=cwd)


def succeeded(done):
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def failed(done, said):
    """The run ended with one line for its user."""
    assert done.returncode == 2, done.stdout[-2000:] + done.stderr[-4000:]
    assert 'Traceback' not in done.stderr
    assert said in done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope='module')
def options(toystreets):
    """A run of four iterations on a few small images."""
    city = toystreets / 'cityscapes'
    return [
        '--cfg-options',
        f'train_dataloader.dataset.source.data_root={toystreets / "gta5"}',
        f'train_dataloader.dataset.target.data_root={city}',
        f'val_dataloader.dataset.data_root={city}',
        f'test_dataloader.dataset.data_root={city}',
        'train_dataloader.batch_size=2',
        'train_dataloader.sampler.per_domain.source=1',
        'train_dataloader.sampler.per_domain.target=1',
        'train_cfg.max_iters=4',
        'train_cfg.val_interval=4',
        'default_hooks.checkpoint.interval=2',
        'custom_hooks.0.max_images=4',
    ]


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory, options):
    """Where tools/train.py has trained CFContra."""
    folder = tmp_path_factory.mktemp('trained')
    succeeded(tool('train.py', CONFIG, *options, cwd=folder))
    return folder / 'work_dirs' / 'cfcontra' / 'deeplabv2_r18_toystreets'


@pytest.fixture(scope='module')
def checkpoint(work_dir):
    return work_dir / 'iter_4.pth'


@pytest.fixture
def image(toystreets):
    return next(toystreets.glob('cityscapes/leftImg8bit/val/*/*.png'))


@pytest.mark.parametrize('name', TOOLS)
def test_help(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [name, '--help'])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')
    assert ended.value.code == 0
    assert '--trust-checkpoint' in capsys.readouterr().out


@pytest.mark.slow
def test_train(work_dir):
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'iter_4.pth')
    saved = torch.load(work_dir / 'iter_2.pth', weights_only=False)
    assert saved['meta']['iter'] == 2


@pytest.mark.slow
def test_train_resumes_in_mixed_precision(work_dir, tmp_path, options):
    more = ['train_cfg.max_iters=5', 'train_cfg.val_interval=9']
    done = tool(
        'train.py', CONFIG, '--work-dir', tmp_path, '--seed', 0, '--amp',
        '--resume', work_dir / 'iter_2.pth', *options, *more,
    )  # fmt: skip
    succeeded(done)
    assert 'resumed epoch: 0, iter: 2' in done.stdout
    assert "type='BFloat16OptimWrapper'" in done.stdout
    assert 'randomness = dict(seed=0)' in done.stdout
    assert (tmp_path / 'iter_5.pth').exists()


@pytest.mark.slow
def test_test(checkpoint, tmp_path, options, image):
    out, show = tmp_path / 'out', tmp_path / 'show'
    done = tool(
        'test.py', CONFIG, checkpoint, '--work-dir', tmp_path / 'work',
        '--out', out, '--show-dir', show, '--tta', *options,
    )  # fmt: skip
    succeeded(done)
    assert 'mIoU:' in done.stdout
    with Image.open(out / image.parent.name / image.name) as prediction:
        labels = np.asarray(prediction)
    assert labels.shape == (32, 64)
    assert labels.max() < 19
    assert len(list(show.rglob('test_*.png'))) == 2


@pytest.mark.slow
def test_other_number_of_classes_is_refused(checkpoint, tmp_path, options):
    other = ['model.decode_head.num_classes=11', 'model.auxiliary_head.num_classes=11']
    done = tool('test.py', CONFIG, checkpoint, '--work-dir', tmp_path, *options, *other)
    failed(
        done,
        'num_classes: is 11, but the labels of GTA5Dataset have 19 classes; ',
    )


@pytest.mark.slow
def test_infer(checkpoint, tmp_path, image):
    folder, out = tmp_path / 'in', tmp_path / 'out'
    (folder / 'sub').mkdir(parents=True)
    with Image.open(image) as opened:
        opened.convert('RGB').resize((51, 37)).save(folder / 'sub' / 'odd.jpg')
        opened.convert('L').save(folder / 'gray.png')
    content = (folder / 'sub' / 'odd.jpg').read_bytes()
    (folder / 'cut.jpg').write_bytes(content[: len(content) // 2])
    done = tool('infer.py', checkpoint, folder, '--out', out)
    failed(done, f'error: {folder / "cut.jpg"}: truncated')
    assert not list(out.rglob('*cut*'))
    with Image.open(out / 'sub' / 'odd.png') as labels:
        assert labels.size == (51, 37)
        assert labels.getpalette()[:3] == [128, 64, 128]
    assert (out / 'sub' / 'odd_overlay.jpg').exists()
    assert (out / 'gray.png').exists()
    assert not list(out.rglob('*.tmp*'))


@pytest.mark.slow
def test_export_runs_without_the_package(checkpoint, tmp_path, image):
    from mmseg.apis import inference_model

    from cfcontra_mm.engine.checkpoints import load_segmentor
    from cfcontra_mm.models.export import plain_pipeline

    succeeded(tool('export.py', checkpoint, '--out', tmp_path))
    written = [tmp_path / 'model.py', tmp_path / 'model.pth']
    done = start(sys.executable, '-c', PLAIN, *written, image, tmp_path / 'a.npz')
    succeeded(done)
    assert 'do not match' not in done.stdout + done.stderr
    plain = np.load(tmp_path / 'a.npz')
    model = load_segmentor(checkpoint).cpu()
    model.cfg.test_pipeline = plain_pipeline(model.cfg)
    ours = inference_model(model, str(image))
    assert np.abs(plain['logits'] - ours.seg_logits.data.numpy()).max() < 1e-4
    assert (plain['labels'] == ours.pred_sem_seg.data.numpy()).all()
    assert tuple(plain['classes']) == tuple(model.dataset_meta['classes'])


@pytest.mark.slow
def test_two_processes(tmp_path, options):
    port = str(20000 + os.getpid() % 10000)
    scripts = ROOT / 'tools'
    environment = ['env', f'PORT={port}']
    done = start(
        *environment, scripts / 'dist_train.sh', CONFIG, 2,
        '--work-dir', tmp_path, *options,
    )  # fmt: skip
    succeeded(done)
    assert 'GPU number: 2' in done.stdout
    done = start(
        *environment, scripts / 'dist_test.sh', CONFIG, tmp_path / 'iter_4.pth', 2,
        '--work-dir', tmp_path / 'test', *options,
    )  # fmt: skip
    succeeded(done)
    assert done.stdout.count('mIoU:') == 1


@pytest.mark.slow
def test_missing_checkpoint(tmp_path):
    done = tool('test.py', CONFIG, 'none.pth', '--work-dir', tmp_path)
    failed(done, 'error: none.pth: no such checkpoint file')
