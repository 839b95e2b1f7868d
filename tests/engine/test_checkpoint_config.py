"""The config in a stranger's checkpoint: what it may import, build and read."""

import pickle
import subprocess
import sys

import pytest
import torch
from helpers import CONFIGS, build_method, tiny_config
from PIL import Image

from cfcontra_mm.engine.checkpoint_config import checkpoint_config
from cfcontra_mm.errors import InputError


def with_config(text):
    return dict(meta=dict(cfg=text))


def test_config_of_a_checkpoint():
    cfg = tiny_config('cfcontra')
    read = checkpoint_config(with_config(cfg.pretty_text), 'a.pth')
    assert read.to_dict() == cfg.to_dict()


@pytest.mark.parametrize(
    'text',
    [
        "import os\nmodel = dict(type='A')",
        "model = dict(type=__import__('os').system('true'))",
        "model = dict(type='A', x=[dict(type='os.system', command='true')])",
        "test_pipeline = [dict(type='subprocess.run')]",
        'model = dict(**x)',
        'model = (',
    ],
)
def test_config_that_would_run_code(text):
    with pytest.raises(InputError, match=r'a\.pth: .*trust-checkpoint'):
        checkpoint_config(with_config(text), 'a.pth')


def test_config_that_is_not_there():
    with pytest.raises(InputError, match='holds no config'):
        checkpoint_config(dict(state_dict={}), 'a.pth')


NAMES = ['mmseg.models.no_such_module', 'cfcontra_mm.nothing']


@pytest.mark.parametrize('name', NAMES)
def test_an_import_that_is_missing(name):
    text = f'custom_imports = dict(imports=[{name!r}])'
    with pytest.raises(InputError, match=f'not installed .*{name}'):
        checkpoint_config(with_config(text), 'a.pth')


class Evil:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), 'w')


@pytest.fixture
def exploits(tmp_path, monkeypatch):
    """Configs of which each would leave ``mark``, by what they misuse."""
    mark = tmp_path / 'mark'
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    code = f'open({str(mark)!r}, "w")\nmodel = dict(type="AdaINStyleTransfer")\n'
    (tmp_path / 'evil_module.py').write_text(code)
    (tmp_path / 'evil.pkl').write_bytes(pickle.dumps(Evil(mark)))
    stylize = dict(
        type='AdaINStylize', config='evil_module.py', checkpoint='a', styles='.'
    )
    loss = dict(type='CrossEntropyLoss', class_weight=str(tmp_path / 'evil.pkl'))
    return {
        'import': "custom_imports = dict(imports=['evil_module'])",
        'import of one': "custom_imports = dict(imports='evil_module')",
        'transform': f'test_pipeline = [{stylize}]',
        'nested transform': f"test_pipeline = [dict(type='Resize', x=[{stylize}])]",
        'class weights': f"model = dict(type='CFContra', decode_head=dict(a={loss}))",
        'relative path': "model = dict(type='CFContra', x='evil.pkl')",
        'dotted type': f"model = dict(type='builtins.open', file={str(mark)!r})",
        'scope': "model = dict(type='mmpretrain.ResNet')",
        'other scope': "model = dict(type='CFContra', _scope_='evil_module')",
        'default scope': "default_scope = 'evil_module'",
    }


@pytest.mark.parametrize(
    'kind',
    [
        *('import', 'import of one', 'transform', 'nested transform'),
        *('class weights', 'relative path', 'dotted type', 'scope'),
        *('other scope', 'default scope'),
    ],
)
def test_a_config_may_not(kind, exploits, tmp_path):
    with pytest.raises(InputError, match=r'a\.pth: .*--trust-checkpoint') as found:
        checkpoint_config(with_config(exploits[kind]), 'a.pth')
    assert '\n' not in str(found.value)
    assert not (tmp_path / 'mark').exists()
    assert 'evil_module' not in sys.modules


@pytest.mark.parametrize(
    'imports',
    [
        *('[5]', '5', '{}', "['mmengine.testing']", "'mmengine.testing'", "['torch']"),
        *("['torch.utils.cpp_extension']", "['mmcv.ops']", "['mmseg.apis']"),
        *("['mmpretrain.models']", "['cfcontra_mm.contract.__main__']"),
    ],
)
def test_what_a_config_may_not_import(imports):
    text = f"custom_imports = dict(imports={imports})\nmodel = dict(type='MinEnt')"
    if imports == '{}':
        text = "custom_imports = ['x']\nmodel = dict(type='MinEnt')"
    with pytest.raises(InputError, match=r'a\.pth: its config is not only'):
        checkpoint_config(with_config(text), 'a.pth')


@pytest.mark.parametrize('name', ['cfcontra_mm', 'mmseg.models', 'mmseg.datasets'])
def test_what_a_config_may_import(name):
    text = f"custom_imports = dict(imports=[{name!r}])\nmodel = dict(type='MinEnt')"
    assert checkpoint_config(with_config(text), 'a.pth').model.type == 'MinEnt'


@pytest.mark.parametrize('value', ['[1]', "'abc'", '3', 'None', '[[1]]'])
def test_a_config_of_other_values_is_refused(value):
    with pytest.raises(InputError, match='has no model'):
        checkpoint_config(with_config(f'model = {value}'), 'a.pth')
    text = f"model = dict(type='MinEnt')\ntest_pipeline = {value}"
    with pytest.raises(InputError, match='test_pipeline: must be a list of dicts'):
        checkpoint_config(with_config(text), 'a.pth')


SLIDE = dict(mode='slide', crop_size=(8, 8), stride=(8, 8))


@pytest.mark.parametrize(
    ('model', 'said'),
    [
        (dict(test_cfg=dict(SLIDE, crop_size=(0, 0))), r'crop_size: must be'),
        (dict(test_cfg=dict(SLIDE, stride=(0, 0))), r'stride: must be'),
        (dict(test_cfg=dict(mode='slide')), r'crop_size: is not set'),
        (dict(decode_head=dict(num_classes=300_000_000)), 'num_classes=300000000, but'),
        (dict(decode_head=dict(num_classes=0)), 'num_classes: must be a positive'),
        (dict(backbone=dict(embed_dims=10**12)), 'no weight that is larger than 64'),
        (dict(backbone=dict(x=[dict(out_channels=(8, 65))])), 'no weight that is'),
    ],
)
@pytest.mark.parametrize('trust', [True, False])
def test_values_that_no_network_has(model, said, trust):
    text = f'model = {dict(model, type="MinEnt")}'
    checkpoint = dict(with_config(text), state_dict=dict(a=torch.zeros(64, 8)))
    with pytest.raises(InputError, match=rf'^a\.pth: .*{said}'):
        checkpoint_config(checkpoint, 'a.pth', trust)


def test_sizes_that_its_weights_have():
    cfg = tiny_config('cfcontra')
    state_dict = build_method(cfg.model).state_dict()
    checkpoint = dict(with_config(cfg.pretty_text), state_dict=state_dict)
    assert checkpoint_config(checkpoint, 'a.pth').to_dict() == cfg.to_dict()


def test_the_start_of_a_network_is_no_file_to_read(tmp_path):
    start = dict(type='Pretrained', checkpoint='https://a.b/c.pth')
    model = dict(type='MinEnt', backbone=dict(weights='/a/b.pth', init_cfg=start))
    read = checkpoint_config(with_config(f'model = {model}'), 'a.pth')
    assert read.model.backbone.weights == '/a/b.pth'


@pytest.mark.slow
def test_the_tool_obeys_no_stranger(exploits, tmp_path):
    """What the two lines of a report do: a checkpoint and ``tools/infer.py``."""
    tool = CONFIGS.parent / 'tools' / 'infer.py'
    Image.new('RGB', (8, 8)).save(tmp_path / 'a.png')
    for kind in ('import', 'transform'):
        torch.save(
            dict(meta=dict(cfg=exploits[kind]), state_dict={}), tmp_path / 'a.pth'
        )
        done = subprocess.run(
            [sys.executable, tool, 'a.pth', 'a.png', '--out', 'out'],
            cwd=tmp_path,
            env={'PYTHONPATH': f'{CONFIGS.parent}:{tmp_path}', 'PATH': '/usr/bin'},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith('error: a.pth: its config ')
        assert not (tmp_path / 'mark').exists()
