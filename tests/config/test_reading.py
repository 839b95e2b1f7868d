"""Configs in YAML hold values, and run nothing."""

import pytest
import yaml
from mmengine.config import Config

from cfcontra_mm.config.reading import open_config
from cfcontra_mm.errors import InputError

EXPLOIT = '!!python/object/apply:os.system ["touch {}"]'


@pytest.mark.parametrize('based', [False, True])
def test_a_tag_in_a_config_runs_nothing(tmp_path, based):
    made, path = tmp_path / 'made', tmp_path / 'config.yaml'
    path.write_text(f'a: {EXPLOIT.format(made)}')
    if based:
        path = tmp_path / 'config.py'
        path.write_text("_base_ = 'config.yaml'")
    with pytest.raises(InputError, match='not a config') as caught:
        open_config(path)
    assert '\n' not in str(caught.value)
    assert not made.exists()


def test_a_config_that_mmengine_wrote_is_read(tmp_path):
    path = tmp_path / 'config.yaml'
    values = dict(size=(64, 32), lr=0.1, classes=['road', 'sky'], rest=None)
    Config(values).dump(path)
    assert 'python/tuple' in path.read_text()
    assert open_config(path).to_dict() == values
    assert yaml.unsafe_load(path.read_text()) == values


@pytest.mark.parametrize('suffix', ['.yaml', '.json'])
def test_a_mark_of_the_encoding_is_no_fault(tmp_path, suffix):
    path = tmp_path / f'config{suffix}'
    text = {'.yaml': 'x: 1', '.json': '{"x": 1}'}[suffix]
    path.write_text(text, encoding='utf-8-sig')
    assert open_config(path).x == 1


def test_a_study_by_its_old_path(tmp_path):
    (tmp_path / 'configs/studies').mkdir(parents=True)
    (tmp_path / 'configs/studies/a.py').write_text('x = 1\n')
    with pytest.warns(FutureWarning, match=r'a\.py: is now .*configs/studies/a\.py'):
        assert open_config(tmp_path / 'configs/benchmarks/a.py').x == 1
    with pytest.raises(InputError, match=r'benchmarks/b\.py: no such config file'):
        open_config(tmp_path / 'configs/benchmarks/b.py')


def test_overrides_that_do_not_fit_are_named_with_what_gave_them(tmp_path):
    (tmp_path / 'a.py').write_text('x = [1]\n')
    path = tmp_path / 'a.py'
    assert open_config(path, {'y.z': 2}).y.z == 2
    with pytest.raises(InputError, match=r'a\.py: overrides: '):
        open_config(path, {'x.7.y': 2})
    with pytest.raises(InputError, match='--cfg-options: '):
        open_config(path, {'x.7.y': 2}, origin='--cfg-options')
