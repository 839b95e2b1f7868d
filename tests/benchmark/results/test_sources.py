"""Which files the identity of a run depends on, and on what in them it does not."""

import ast
import functools
import os
import shutil
import sys
import textwrap
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cfcontra_mm.benchmark import load_study, plan_runs
from cfcontra_mm.benchmark.results import sources
from cfcontra_mm.benchmark.results.source_file import read_source
from cfcontra_mm.benchmark.results.sources import TRAINING, TRANSLATION, SourceTree
from cfcontra_mm.benchmark.runs import main, plan
from cfcontra_mm.benchmark.study import study
from cfcontra_mm.config import open_config
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[3]
ENTROPY = {'MinEnt', 'MinEnt + style', 'MinEnt + contrast', 'CFContra'}
STYLE = {'MinEnt + style', 'CFContra'}
CFCONTRA = {'MinEnt + contrast', 'CFContra'}
# Of the full study, which may get further rows.
ALL = {'source-only', 'AdaptSegNet', 'AdvEnt', 'CLAN', 'DACS', 'oracle'} | ENTROPY


def locate_in(folder, monkeypatch):
    """Let the packages in a folder stand for those of the same names."""
    real = sources._locate

    def locate(top):
        place = folder / top
        inside = place.is_dir() or place.with_name(f'{top}.py').is_file()
        return place if inside else real(top)

    monkeypatch.setattr(sources, '_locate', locate)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that stands for it."""
    copy = tmp_path / 'copy' / 'cfcontra_mm'
    ignore = shutil.ignore_patterns('__pycache__', '.mim')
    shutil.copytree(ROOT / 'cfcontra_mm', copy, ignore=ignore)
    locate_in(copy.parent, monkeypatch)
    return copy


# Reading takes longer than all else, and the configs stay as they are.
READ = functools.cache(partial(open_config, import_modules=False))


@pytest.fixture
def changed(package, shipped, tmp_path, monkeypatch):
    """Gives the rows whose runs are no longer those of the beginning."""
    full = load_study(Path('configs/studies/toystreets.py'))

    def identities():
        runs = plan_runs(full, (0,), tmp_path / 'out')
        return {run.row: run.identity for run in runs if run.row in ALL}

    for module in (study, plan):
        monkeypatch.setattr(module, 'open_config', lambda path, *_, **__: READ(path))
    first = identities()

    def changed():
        now = identities()
        return {row for row in first if first[row] != now[row]}

    return changed


def append(path, text='CHANGED = 1\n'):
    with path.open('a') as file:
        file.write(text)


@pytest.mark.parametrize(
    ('file', 'is_shared'),
    [
        *(('engine/step.py', True), ('engine/launch.py', True)),
        *(('evaluation/iou.py', True), ('evaluation/label_free.py', True)),
        *(('datasets/domain.py', True), ('datasets/cityscapes.py', True)),
        *(('methods/dacs.py', False), ('losses/entropy.py', False)),
        *(('engine/memory_bank.py', False), ('engine/joint_optim.py', False)),
        ('translation/adain.py', False),
    ],
)
def test_all_rows_share_step_data_and_evaluation(
    package, shipped, tmp_path, monkeypatch, file, is_shared
):
    full = load_study(Path('configs/studies/toystreets.py'))
    for module in (study, plan):
        monkeypatch.setattr(module, 'open_config', lambda path, *_, **__: READ(path))

    def shared():
        return {run.shared_sources for run in plan_runs(full, (0,), tmp_path / 'out')}

    (before,) = shared()
    append(package / file)
    (after,) = shared()
    assert (before != after) is is_shared


def test_the_study_has_these_rows(changed, package):
    append(package / 'engine/step.py')
    assert changed() == ALL


@pytest.mark.parametrize(
    ('file', 'rows'),
    [
        ('methods/advent.py', {'AdvEnt'}),
        ('methods/dacs.py', {'DACS'}),
        ('datasets/mixing.py', {'DACS'}),
        ('models/teacher.py', {'DACS'}),
        ('models/supervision.py', ALL),
        ('models/export.py', set()),
        ('models/class_centers.py', CFCONTRA),
        ('engine/memory_bank.py', CFCONTRA),
        ('methods/clan.py', {'CLAN'}),
        ('methods/cfcontra.py', CFCONTRA),
        ('methods/minent.py', ENTROPY),
        ('methods/base.py', ALL),
        ('losses/entropy.py', ENTROPY | {'AdvEnt'}),
        ('losses/contrastive.py', CFCONTRA),
        ('models/projection_head.py', CFCONTRA),
        ('models/discriminator.py', {'AdaptSegNet', 'AdvEnt', 'CLAN'}),
        ('translation/adain.py', STYLE),
        ('models/dlv2_head.py', ALL),
        ('translation/copy_dataset.py', STYLE),
        ('engine/launch.py', ALL),
        ('engine/joint_optim.py', {'AdaptSegNet', 'AdvEnt', 'CLAN'}),
        ('datasets/domain.py', ALL),
        ('datasets/gta5.py', ALL - {'oracle'}),
        ('datasets/synthia.py', set()),
        ('toystreets/looks.py', ALL),
        ('evaluation/iou.py', ALL),
        ('engine/export.py', set()),
        ('models/__init__.py', set()),
        ('old_names.py', set()),
        ('report/page.py', set()),
        ('analysis/curves.py', set()),
        ('benchmark/tables/formats.py', set()),
    ],
)
def test_code_changes_the_rows_that_use_it(package, changed, file, rows):
    append(package / file)
    assert changed() == rows


def test_a_flipped_sign_changes_the_rows_of_the_method(package, changed):
    path = package / 'methods/advent.py'
    text = path.read_text()
    lines = text.splitlines()
    returned = max(i for i, line in enumerate(lines) if ' return ' in line)
    lines[returned] = lines[returned].replace('return ', 'return -')
    path.write_text('\n'.join(lines))
    assert changed() == {'AdvEnt'}
    path.write_text(text)
    assert changed() == set()


def test_a_further_method_changes_no_other(package, changed):
    for folder, name in (('methods', 'further'), ('losses', 'further_loss')):
        append(package / folder / '__init__.py', f'from .{name} import {name}\n')
        append(package / folder / f'{name}.py', f'def {name}(): ...\n')
    append(package / 'methods/further.py', 'from .minent import MinEnt\n')
    assert changed() == set()


def test_what_is_no_code_changes_nothing(package, changed):
    for path in package.rglob('*.py'):
        if path.parent.name == 'networks':  # configs, which have no docstring
            continue
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree) is not None
        end = tree.body[0].end_lineno
        lines = path.read_text().splitlines()[end:]
        lines = ['"""Another docstring."""', '', *lines, '# The end.', '']
        text = '\n'.join(lines).replace('import Path\n', 'import Path  # or str\n\n')
        path.write_text(text)
    assert changed() == set()


def test_data_that_the_study_does_not_write_has_no_renderer(shipped, tmp_path):
    full = load_study(Path('configs/studies/toystreets.py'))
    with_data, without = (
        {Path(path).name for path in plan_runs(s, (0,), tmp_path)[0].sources}
        for s in (full, replace(full, data=None))
    )
    assert with_data - without == {
        path.name for path in (ROOT / 'cfcontra_mm/toystreets').glob('[!_]*.py')
    }


def test_what_the_tools_import_is_part_of_every_run():
    """Else the lists of what trains, tests and translates are out of date."""
    tree = SourceTree()
    for tool, modules in (
        ('train', TRAINING),
        ('test', TRAINING),
        ('translate_dataset', TRANSLATION),
    ):
        covered = tree.digests({}, modules)
        for _, (module, name) in read_source(ROOT / 'tools' / f'{tool}.py').imports:
            if module.startswith('cfcontra_mm'):
                (defining,) = tree._defining((module, name), ())
                assert str(tree._file(defining)) in covered
    assert str(ROOT / 'cfcontra_mm/engine/step.py') in tree.digests({}, TRAINING)


# A package of methods from outside, with every way to take a name from elsewhere.
OUTSIDE = {
    '__init__': 'from . import methods, losses\nfrom .losses import scaled\n',
    'methods/__init__': 'from .first import First\nfrom .second import *\n',
    'methods/first': """
        from cfcontra_mm.losses import entropy_map
        from cfcontra_mm.methods import UDASegmentor
        from outside import losses as terms
        from mmseg.registry import MODELS

        @MODELS.register_module()
        class First(UDASegmentor):
            def target_losses(self):
                return terms.deep.plain(1)
        """,
    'methods/second': """
        import outside.losses
        from ..losses.deep import starred
        from mmseg.registry import MODELS

        class Other:
            def late(self):
                from ..helper import help
                return outside.losses.scaled

        MODELS.register_module(name=['Second'], module=Other)
        """,
    'losses/__init__': 'from . import deep\nfrom .scale import scale as scaled\n',
    'losses/scale': 'def scale(): ...\n',
    'losses/deep/__init__': 'from .a import *\nfrom .b import plain\n',
    'losses/deep/a': 'def starred(): ...\n',
    'losses/deep/b': 'def plain(): ...\n',
    'helper': 'def help(): ...\n',
    'unused': '',
}


@pytest.fixture
def outside(tmp_path, monkeypatch):
    folder = tmp_path / 'elsewhere'
    for name, text in OUTSIDE.items():
        path = folder / 'outside' / f'{name}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    locate_in(folder, monkeypatch)
    return folder / 'outside'


def files(tree, *names):
    """Files of an outside package that stand behind types of a config."""
    settings = {'model': {'parts': [{'type': name} for name in names]}}
    found = tree.digests(settings, ())
    return {
        str(Path(path).relative_to(next(iter(tree.places['outside'].parents))))
        if 'elsewhere' in path
        else str(Path(path).relative_to(ROOT))
        for path in found
    }


def test_a_method_from_outside_counts_with_what_it_imports(outside):
    tree = SourceTree(['outside.methods'])
    first = files(tree, 'First')
    assert {path for path in first if path.startswith('outside')} == {
        'outside/methods/first.py',
        'outside/losses/deep/b.py',
    }
    ours = ('losses/entropy', 'methods/base', 'engine/step', 'errors')
    assert {f'cfcontra_mm/{name}.py' for name in ours} <= first
    others = ('losses/contrastive', 'methods/minent', 'losses/__init__')
    assert not {f'cfcontra_mm/{name}.py' for name in others} & first
    second = {
        'outside/methods/second.py',
        'outside/losses/deep/a.py',
        'outside/losses/scale.py',
        'outside/helper.py',
    }
    assert files(tree, 'Second') == second
    assert files(tree, 'outside.methods.second.Other') == second
    assert files(tree, 'mmseg.Second', 'SGD') == second
    assert files(SourceTree(), 'Second') == set()


def test_an_installed_package_announces_its_methods(outside, monkeypatch):
    folder = outside.parent / 'outside-1.0.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text('Name: outside\nVersion: 1.0\n')
    (folder / 'entry_points.txt').write_text(
        '[cfcontra_mm.methods]\nsecond = outside.methods.second:Other\n'
    )
    monkeypatch.syspath_prepend(outside.parent)
    sources._plugin_modules.cache_clear()
    try:
        assert 'outside/helper.py' in files(SourceTree(), 'Second')
    finally:
        sources._plugin_modules.cache_clear()
    assert 'outside' not in sys.modules


def test_a_package_may_define_its_method_itself(outside):
    (outside / '__init__.py').write_text(
        'from mmseg.registry import MODELS\nfrom .helper import help\n'
        '@MODELS.register_module()\nclass Third: ...\n'
    )
    expected = {'outside/__init__.py', 'outside/helper.py'}
    assert files(SourceTree(['outside']), 'Third') == expected


def test_modules_in_no_package_count_with_those_beside_them(outside):
    (outside / 'mine.py').write_text(
        'from mmseg.registry import HOOKS\nimport beside, numpy\n'
        "HOOKS.register_module('Mine', module=beside.Hook)\n"
    )
    (outside / 'beside.py').write_text('class Hook: ...\n')
    locate = {'mine': outside / 'mine', 'beside': outside / 'beside'}
    real = sources._locate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, '_locate', lambda top: locate.get(top) or real(top))
        found = SourceTree(['mine']).digests({'model': {'type': 'Mine'}}, ())
    assert {Path(path).name for path in found} == {'mine.py', 'beside.py'}


def test_what_a_config_imports_counts_though_it_registers_nothing(outside, tmp_path):
    append(outside / 'helper.py', 'PATCHED = 1\n')
    imports = "custom_imports = dict(imports=['cfcontra_mm', 'outside.helper'])\n"
    config = tmp_path / 'patched.py'
    base = ROOT / 'configs/source_only/deeplabv2_r18_toystreets.py'
    config.write_text(f"_base_ = '{base}'\n{imports}")
    small = study.Study(name='s', rows=(study.Row('a', str(config)),), seeds=(0,))
    (run,) = plan_runs(small, (0,), tmp_path / 'out')
    assert 'helper.py' in {Path(path).name for path in run.sources}


def test_what_no_run_reads_brings_no_code(outside):
    settings = {'some_variable': {'type': 'First'}}
    assert SourceTree(['outside.methods']).digests(settings, ()) == {}


def test_a_class_file_is_part_of_a_run(tmp_path):
    classes = tmp_path / 'classes.yaml'
    config = tmp_path / 'own.py'
    base = ROOT / 'configs/source_only/deeplabv2_r18_folders.py'
    config.write_text(f"_base_ = '{base}'\nfolders = dict(classes='{classes}')\n")
    small = study.Study(name='s', rows=(study.Row('a', str(config)),), seeds=(0,))
    identities = set()
    for text in ('classes: []', 'classes: []', 'classes: [a]'):
        classes.write_text(text)
        (run,) = plan_runs(small, (0,), tmp_path / 'out')
        identities.add(run.identity)
    assert len(identities) == 2


def test_code_that_cannot_be_read_is_named(outside):
    append(outside / 'methods/second.py', 'def broken(:\n')
    with pytest.raises(InputError, match=r'second\.py: not valid Python \(') as caught:
        SourceTree(['outside']).digests({'model': {'type': 'First'}}, ())
    assert '\n' not in str(caught.value)


CODE = '''"""Doc ü."""  # c
import a  # why

class A: "one line"; x = 1
class B:
    """Doc.

    # no comment
    """

    y = 'ü # kept'  # after
    """Of an attribute."""
    z = f'{x:#x} # kept {y!r:>{x}}'
    w = f"""{

  x
   }  # kept

  end"""
    def f(self): "doc"
    def g(self):
        r"""ü""" ; return "#", '\\'#'
    q = ('a'  # first
         # second

         'b')
'''


def digest(tmp_path, text):
    path = tmp_path / 'code.py'
    path.write_text(text)
    os.utime(path, ns=(0, time.monotonic_ns()))
    return read_source(path).digest


def test_the_digest_of_code_is_the_same_under_every_python(tmp_path):
    # Of 3.10 to 3.13: compare with them before changing this figure.
    assert digest(tmp_path, CODE)[:16] == 'a211b3c9594184cf'


@pytest.mark.parametrize(
    ('old', 'new', 'same'),
    [
        ('# why', '', True),
        ('Doc ü', 'Other', True),
        ('    # no comment\n', '', True),
        ('Of an attribute', 'Of none', True),
        ('         # second\n\n', '', True),
        ('\n\nclass A', '\n\n\n# Here\n\nclass A', True),
        ('ü # kept', 'ü # other', False),
        ('} # kept', '} # other', False),
        ('\n\n  end', '\n\n\n  end', False),
        ('x = 1', 'x = -1', False),
        ("'b'", "'c'", False),
        ('"#"', '"# "', False),
    ],
)
def test_comments_docstrings_and_blank_lines_are_no_code(tmp_path, old, new, same):
    assert old in CODE
    changed = digest(tmp_path, CODE.replace(old, new, 1))
    assert (changed == digest(tmp_path, CODE)) is same


@pytest.mark.slow
def test_a_step_does_not_start_with_code_that_has_changed(
    fake, package, monkeypatch, capsys
):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0})
    show = main.ProgressPrinter.show

    def change(*arguments):
        monkeypatch.setattr(main.ProgressPrinter, 'show', show)
        append(package / 'engine/step.py')

    monkeypatch.setattr(main.ProgressPrinter, 'show', change)
    assert fake.run() == 1
    said = 'engine/step.py: changed since the study started; restore it or'
    # Each of the three twice. One had begun by then: it is not tested by other code.
    assert capsys.readouterr().out.count(f'failed: {package}/{said}') == 6
    assert fake.run() == 0
    assert len(list(fake.root.glob('runs/*/result.json'))) == 3
