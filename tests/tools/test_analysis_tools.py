"""Each command of the analysis as a user runs it."""

import runpy
import sys

import numpy as np
import pytest
import torch
from helpers import begin_centers, build_method, random_batch
from mmengine.config import Config
from PIL import Image
from test_tools import CONFIG, ROOT

TOOLS = ROOT / 'tools' / 'analysis_tools'
NAMES = sorted(path.stem for path in TOOLS.glob('*.py'))


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a tool in this process; returns its exit status and last line of errors."""

    def run(name, *arguments):
        path = str(TOOLS / f'{name}.py')
        monkeypatch.setattr(sys, 'argv', [path, *map(str, arguments)])
        status = 0
        try:
            runpy.run_path(path, run_name='__main__')
        except SystemExit as ended:
            status = ended.code
        lines = capsys.readouterr().err.strip().splitlines()
        return status, lines[-1] if lines else ''

    return run


@pytest.fixture
def options(toystreets):
    city = toystreets / 'cityscapes'
    return [
        '--cfg-options',
        f'train_dataloader.dataset.source.data_root={toystreets / "gta5"}',
        f'train_dataloader.dataset.target.data_root={city}',
        f'test_dataloader.dataset.data_root={city}',
    ]


@pytest.fixture
def predictions(toystreets, tmp_path):
    """Predictions of road everywhere."""
    folder = tmp_path / 'predictions'
    folder.mkdir()
    for path in toystreets.glob('cityscapes/leftImg8bit/val/*/*.png'):
        Image.fromarray(np.zeros((32, 64), np.uint8)).save(folder / path.name)
    return folder


def is_image(path):
    with Image.open(path) as image:
        return len(image.convert('RGB').getcolors(10**6)) > 10


def test_every_tool_is_tried_here():
    assert NAMES == [
        'browse_dataset', 'confusion_matrix', 'draw_feature_map', 'feature_map',
        'loss_shares', 'plot_curves', 'qualitative',
    ]  # fmt: skip


@pytest.mark.parametrize('name', NAMES)
def test_help(run, name):
    assert run(name, '--help')[0] == 0


def test_plot_curves(run, tmp_path):
    log = tmp_path / 'run' / '2025_1' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"iter": 1, "loss": 2.0}\n{"iter": 2, "loss": 1.0}\n')
    out = tmp_path / 'curves.png'
    assert run('plot_curves', tmp_path / 'run', '--out', out) == (0, '')
    assert is_image(out)
    status, said = run('plot_curves', tmp_path, '--out', tmp_path / 'no.png')
    assert (status, said[:6]) == (2, 'error:')
    assert f'{tmp_path}: no training log' in said
    assert not (tmp_path / 'no.png').exists()


def test_confusion_matrix(run, tmp_path, options, predictions):
    out = tmp_path / 'new' / 'confusion.png'
    arguments = ['confusion_matrix', CONFIG, predictions, '--out', out, *options]
    assert run(*arguments)[0] == 0
    assert is_image(out)
    next(predictions.iterdir()).unlink()
    status, said = run(*arguments)
    assert (status, said.startswith(f'error: {predictions}')) == (2, True)
    assert 'no such file or directory; write all' in said


def test_qualitative(run, tmp_path, options, predictions):
    out = tmp_path / 'sheet.png'
    pair = f'a method={predictions}'
    arguments = ['qualitative', CONFIG, pair, '--num', 2, '--out', out, *options]
    assert run(*arguments)[0] == 0
    assert is_image(out)
    assert run('qualitative', CONFIG, predictions)[0] == 2
    status, said = run('qualitative', CONFIG, pair, '--num', 0)
    assert (status, "'0' is not a positive integer" in said) == (2, True)


@pytest.mark.slow
def test_feature_map(run, tmp_path, options):
    model = build_method(Config.fromfile(CONFIG).model)
    begin_centers(model, random_batch(0))
    checkpoint = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    out, image = tmp_path / 'features.npz', tmp_path / 'map.png'
    collect = ['feature_map', CONFIG, checkpoint, '--out', out]
    assert run(*collect, *options, '--classes', 'road', 'sky')[0] == 0
    assert run('draw_feature_map', f'after={out}', '--out', image)[0] == 0
    assert is_image(image)
    status, said = run(*collect, *options, '--classes', 'boat')
    expected = "error: --classes: unknown class 'boat'; choose from "
    assert (status, said.startswith(expected)) == (2, True)
    status, said = run('draw_feature_map', f'after={checkpoint}')
    assert (status, f'{checkpoint}: damaged or not a file' in said) == (2, True)


@pytest.mark.slow
def test_loss_shares(run, tmp_path, options):
    minent = ROOT / 'configs/minent/deeplabv2_r18_toystreets.py'
    model = build_method(Config.fromfile(minent).model)
    checkpoint = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    assert run('loss_shares', minent, checkpoint, '--batches', 1, *options)[0] == 0
    status, said = run('loss_shares', CONFIG, checkpoint, *options)
    expected = f'error: {checkpoint}: checkpoint does not match the model: '
    assert (status, said.startswith(expected)) == (2, True)


def test_browse_dataset(run, tmp_path, options):
    out = tmp_path / 'browse'
    arguments = ['browse_dataset', CONFIG, '--num', 2, '--out', out]
    # The config's own source, a translated copy, lies elsewhere.
    assert run(*arguments, *options)[0] == 0
    names = sorted(path.name[:9] for path in out.iterdir())
    assert names == ['source_0_', 'source_1_', 'target_0_', 'target_1_']
    assert all(map(is_image, out.iterdir()))
    missing = 'train_dataloader.dataset.target.data_root=nowhere'
    status, said = run(*arguments, *options, missing)
    assert (status, 'no such folder' in said) == (2, True)
