"""A method in a package of its own: found, trained and held to the contract."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
METHOD = """
    import torch
    from mmseg.registry import MODELS

    from cfcontra_mm.datasets.domain import seeded_as
    from cfcontra_mm.methods import UDASegmentor
    from cfcontra_mm.models import Teacher


    @MODELS.register_module()
    class MaskedMeanTeacher(UDASegmentor):
        def __init__(self, momentum=0.9, **kwargs):
            super().__init__(**kwargs)
            self.teacher = Teacher(self, momentum)

        def passes(self, source, target):
            self.teacher.follow(self)
            logits = self.teacher(self, target.images)
            confidence, labels = logits.float().softmax(1).max(1)
            taught = target._replace(labels=labels, weights=confidence)
            masks = []
            for sample in target.data_samples:
                with seeded_as(sample):
                    masks.append(torch.rand(1, 4, 8, device='cpu') > 0.5)
            mask = torch.stack(masks).to(target.images, non_blocking=True)
            mask = mask.repeat_interleave(8, 2).repeat_interleave(8, 3)
            masked = taught._replace(images=target.images * mask)
            return dict(source=source, taught=taught, masked=masked)

        def taught_losses(self, taught):
            return self.supervised_losses(taught)

        def masked_losses(self, masked):
            return self.supervised_losses(masked)
"""
PLAIN = """
    import torch
    from mmseg.registry import MODELS

    from cfcontra_mm.methods import UDASegmentor


    @MODELS.register_module()
    class PlainNoise(UDASegmentor):
        def __init__(self, noise, **kwargs):
            super().__init__(**kwargs)
            self.noise = noise

        def passes(self, source, target):
            noise = self.noise * torch.randn_like(source.images)
            return dict(source=source._replace(images=source.images + noise))
"""
BROKEN = """
    import torch
    from mmseg.registry import MODELS

    from cfcontra_mm.methods import UDASegmentor


    @MODELS.register_module()
    class ForgetsItsCount(UDASegmentor):
        steps = 0

        def target_losses(self, target):
            self.steps += 1
            return dict(loss_count=self.steps * target.logits['decode'].square().mean())
"""
PROJECT = """
    [build-system]
    requires = ["setuptools"]
    build-backend = "setuptools.build_meta"
    [project]
    name = "other-methods"
    version = "1.0"
    [project.entry-points."cfcontra_mm.methods"]
    masked = "other_methods.masked"
    gone = "other_methods.gone"
"""


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """Folder of an installed package of methods; one of its entry points is broken."""
    source = tmp_path_factory.mktemp('source')
    package = source / 'other_methods'
    package.mkdir()
    (source / 'pyproject.toml').write_text(textwrap.dedent(PROJECT))
    (package / '__init__.py').touch()
    (package / 'masked.py').write_text(textwrap.dedent(METHOD))
    (package / 'plain.py').write_text(textwrap.dedent(PLAIN))
    (package / 'syntax.py').write_text('def :')
    (package / 'broken.py').write_text(textwrap.dedent(BROKEN))
    target = tmp_path_factory.mktemp('installed')
    options = ['--no-deps', '--no-build-isolation', '--quiet', '--target', target]
    command = [sys.executable, '-m', 'pip', 'install', *options, source]
    subprocess.run(list(map(str, command)), check=True)
    return target


def call(installed, folder, *arguments):
    """A finished process in a folder, with the package in reach."""
    path = os.pathsep.join([str(ROOT), str(installed)])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | dict(PYTHONPATH=path, OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_the_contract_runs_outside_of_the_repository(installed, tmp_path):
    # With pytest's own options, for example its workers.
    options = ('other_methods.masked', '-v', '-n', '2', '--dist', 'loadfile')
    done = call(installed, tmp_path, '-m', 'cfcontra_mm.contract', *options)
    assert done.returncode == 0, done.stdout[-3000:]
    assert '[MaskedMeanTeacher-segformer]' in done.stdout
    assert '[MinEnt' not in done.stdout
    assert 'depends on the ranks' not in done.stdout
    assert 'failed' not in done.stdout
    passed = int(done.stdout.rsplit(' passed', 1)[0].split()[-1])
    assert passed >= 2 * 18
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_method_that_breaks_it_is_told_where(installed, tmp_path):
    module = 'other_methods.broken'
    done = call(installed, tmp_path, '-m', 'cfcontra_mm.contract', module, '-k', 'ends')
    assert done.returncode == 1
    failed = 'test_ends_as_the_straight_training[ForgetsItsCount-deeplab-resumed]'
    assert failed in done.stdout


@pytest.mark.slow
def test_what_depends_on_the_ranks_is_said(installed, tmp_path):
    config = tmp_path / 'plain.py'
    config.write_text("model = dict(type='PlainNoise', noise=0.1)")
    options = ('other_methods.plain', '--config', config.name, '-k', 'ranks or images')
    done = call(installed, tmp_path, '-m', 'cfcontra_mm.contract', *options)
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'PlainNoise-deeplab: a loss or the result of passes() depends' in done.stdout


@pytest.mark.slow
def test_a_config_names_a_method_of_an_entry_point(installed, toystreets, tmp_path):
    config = tmp_path / 'masked.py'
    base = ROOT / 'configs' / 'source_only' / 'deeplabv2_r18_toystreets.py'
    config.write_text(
        f"_base_ = '{base}'\nmodel = dict(type='MaskedMeanTeacher', momentum=0.5)\n"
    )
    city = toystreets / 'cityscapes'
    done = call(
        installed, tmp_path, ROOT / 'tools' / 'train.py', config, '--cfg-options',
        f'train_dataloader.dataset.source.data_root={toystreets / "gta5"}',
        f'train_dataloader.dataset.target.data_root={city}',
        f'val_dataloader.dataset.data_root={city}',
        'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
        'default_hooks.checkpoint.interval=2', 'default_hooks.logger.interval=1',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'masked.decode.loss_ce' in done.stdout
    warning = 'other-methods: its methods (other_methods.gone) are skipped'
    assert warning in done.stderr


@pytest.mark.parametrize(
    ('module', 'said'),
    [
        ('nowhere.at_all', 'nowhere.at_all: cannot be imported'),
        ('json', 'json: registers no method'),
        ('other_methods.syntax', 'other_methods.syntax: cannot be imported (Syntax'),
        ('other_methods.plain', "PlainNoise: .*'noise'; pass its settings with --conf"),
    ],
)
def test_a_module_without_methods_is_refused(installed, tmp_path, module, said):
    done = call(installed, tmp_path, '-m', 'cfcontra_mm.contract', module)
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith('error: ')
    assert re.match(said.replace('(', r'\('), line.removeprefix('error: ')), line
