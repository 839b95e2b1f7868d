import ast
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

import cfcontra_mm

ROOT = Path(__file__).parents[1]
# Read by name only: torchvision's weights and their download.
INDIRECT = {'torchvision'}
# The tests that the package brings along, an extra.
CONTRACT = ROOT / 'cfcontra_mm' / 'contract'


def imported_modules():
    """Every foreign top-level module that the package and its tools import."""
    found = set()
    for folder in ('cfcontra_mm', 'tools'):
        for path in (ROOT / folder).rglob('*.py'):
            if path.is_relative_to(CONTRACT):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split('.')[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    found.add(node.module.split('.')[0])
    return found - sys.stdlib_module_names - {'cfcontra_mm'}


def declared(argument):
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    values = [k.value for k in ast.walk(tree) if getattr(k, 'arg', '') == argument]
    return ast.literal_eval(values[0])


def test_every_import_is_declared_and_no_other_package():
    distributions = packages_distributions()
    needed = {distributions[module][0].lower() for module in imported_modules()}
    needed -= INDIRECT
    names = {re.split('[<>=]', line)[0] for line in declared('install_requires')}
    assert names - INDIRECT == needed


def test_version():
    assert re.fullmatch(r'\d+\.\d+\.\d+', cfcontra_mm.__version__)


def test_model_index_names_files_that_exist():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert len(index['Import']) >= 3
    for path in index['Import']:
        meta = yaml.safe_load((ROOT / path).read_text())
        (collection,) = meta['Collections']
        assert (ROOT / collection['README']).is_file()
        assert (ROOT / collection['Code']['URL']).is_file()
        for model in meta['Models']:
            assert model['In Collection'] == collection['Name']
            assert (ROOT / model['Config']).is_file()


@pytest.mark.slow
def test_wheel_holds_what_mim_needs(tmp_path):
    # A copy: building leaves files beside setup.py.
    source = tmp_path / 'source'
    source.mkdir()
    for name in ('cfcontra_mm', 'configs', 'tools'):
        shutil.copytree(ROOT / name, source / name)
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    shutil.copy(ROOT / 'model-index.yml', source)
    options = ['--no-deps', '--no-build-isolation', '--quiet', '--wheel-dir', tmp_path]
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', *options, source], check=True)
    (wheel,) = tmp_path.glob('cfcontra_mm-*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (
        'cfcontra_mm/methods/cfcontra.py',
        'cfcontra_mm/contract/test_step.py',
        'cfcontra_mm/contract/networks/segformer.py',
        'cfcontra_mm/.mim/model-index.yml',
        'cfcontra_mm/.mim/tools/train.py',
        'cfcontra_mm/.mim/tools/dist_train.sh',
        'cfcontra_mm/.mim/configs/cfcontra/deeplabv2_r18_toystreets.py',
        'cfcontra_mm/.mim/configs/_base_/default_runtime.py',
    ):
        assert path in names
    assert not [name for name in names if name.startswith('tests/')]
    assert not [name for name in names if name.endswith('.pyc')]
