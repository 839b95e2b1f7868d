"""The config in a stranger's checkpoint: what it may import, build and read."""

import pickle
import subprocess
import sys

import pytest
import torch
from helpers import CONFIGS, tiny_config
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


@pytest.mark.parametrize('name', ['mmseg.no_such_module', 'cfcontra_mm.nothing'])
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
    }


@pytest.mark.parametrize(
    'kind',
    [
        *('import', 'import of one', 'transform', 'nested transform'),
        *('class weights', 'relative path', 'dotted type', 'scope'),
    ],
)
def test_a_config_may_not(kind, exploits, tmp_path):
    with pytest.raises(InputError, match=r'a\.pth: .*--trust-checkpoint') as found:
        checkpoint_config(with_config(exploits[kind]), 'a.pth')
    assert '\n' not in str(found.value)
    assert not (tmp_path / 'mark').exists()
    assert 'evil_module' not in sys.modules


@pytest.mark.parametrize('value', ['[1]', "'abc'", '3', 'None', '[[1]]'])
def test_a_config_of_other_values_is_read_or_refused(value):
    text = f'model = {value}\ntest_pipeline = {value}'
    assert checkpoint_config(with_config(text), 'a.pth')


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
