"""The studies that ship: each can be planned, and says what the papers say."""

import shutil
from pathlib import Path
from statistics import fmean

import pytest
from mmengine.config import Config

from cfcontra_mm.benchmark import load_study, overview, plan_runs
from cfcontra_mm.benchmark.results import Result
from cfcontra_mm.benchmark.results.alike import differences
from cfcontra_mm.benchmark.runs.preparations import unfinished_needs
from cfcontra_mm.benchmark.study.load import PAIR_FIELDS
from cfcontra_mm.config import open_config
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[3]
STUDIES = sorted((ROOT / 'configs/studies').glob('*.py'))
TABLES = {
    'table2_gta2city',
    'table2_synthia2city',
    'table3_ablation',
    'table4_dynamics',
    'table5_sensitivity',
    'table6_heads',
}


pytestmark = pytest.mark.usefixtures('shipped')


def load(name, pair=None):
    return load_study(Path('configs/studies', f'{name}.py'), pair=pair)


def test_every_table_has_a_folder_of_its_own_on_either_pair():
    assert {path.stem for path in STUDIES} >= TABLES
    names = [load_study(path).name for path in STUDIES]
    names += [load(name, 'toystreets').name for name in TABLES]
    assert len(set(names)) == len(STUDIES) + len(TABLES)


# Settings that the configs leave at their defaults.
OPTIONAL = ('terms', 'pseudo_labels', 'start')


@pytest.mark.parametrize('path', STUDIES, ids=lambda path: path.stem)
def test_every_study_can_be_planned(path, tmp_path):
    study = load_study(path)
    runs = plan_runs(study, study.seeds, tmp_path)
    assert len(runs) == len(study.planned()) * len(study.seeds)
    assert len({run.shared_sources for run in runs}) == 1
    for row in study.planned():
        plain = open_config(row.config, import_modules=False)
        for key in {**study.shared, **row.overrides}:
            *parents, last = key.split('.')
            node = plain
            for parent in parents:
                node = node[parent]
            assert last in node or last in OPTIONAL, (row.name, key)


@pytest.mark.parametrize(
    ('name', 'pair'),
    [(path.stem, None) for path in STUDIES]
    + [(name, 'toystreets') for name in sorted(TABLES)],
)
def test_the_rows_of_every_study_are_made_alike(name, pair):
    study = load(name, pair)
    line = {
        'metrics': {'mIoU': 30.0},
        'git': {'commit': 'c0ffee', 'dirty': False},
        'environment': dict.fromkeys(['torch', 'mmengine', 'mmseg', 'device'], 'x'),
        'max_iters': 400,
        'shared_sources': 'd',
    }
    found = {
        (row.name, 0): Result(
            'done', line=line | {'resolved_config': study.resolve(row).to_dict()}
        )
        for row in study.planned()
    }
    assert differences(found) == []


@pytest.mark.parametrize('path', STUDIES, ids=lambda path: path.stem)
def test_the_tools_read_the_settings_as_they_were_planned(path, tmp_path):
    runs = plan_runs(load_study(path), (0,), tmp_path)
    for step in (*runs, *unfinished_needs(runs)):
        step.begin()
        read = Config.fromfile(step.settings_file, import_custom_modules=False)
        assert read.to_dict() == step.settings


@pytest.mark.parametrize('name', sorted(TABLES))
def test_a_table_on_toystreets_is_the_same_table_on_the_demos_pair(name):
    full, small, toystreets = load(name), load(name, 'toystreets'), load('toystreets')
    for kept in ('rows', 'published', 'classes', 'columns', 'seeds', 'reference'):
        assert getattr(small, kept) == getattr(full, kept), kept
    for moved in PAIR_FIELDS:
        assert getattr(small, moved) == getattr(toystreets, moved), moved
    row = small.measured()[0]
    data = small.resolve(row).train_dataloader.dataset.target.data_root
    assert data == 'data/toystreets/cityscapes'


@pytest.mark.parametrize('name', sorted(TABLES))
def test_the_path_of_a_table_on_toystreets_still_works(name):
    with pytest.warns(FutureWarning, match=f'studies/{name}.py --pair toystreets'):
        study = load_study(Path('configs/benchmarks', f'{name}_toystreets.py'))
    assert study == load(name, 'toystreets')
    assert study.name == f'{name}_toystreets'


def test_the_old_path_of_a_study_still_works():
    with pytest.warns(FutureWarning, match='is now configs/studies/camvid.py'):
        study = load_study(Path('configs/benchmarks/camvid.py'))
    assert study == load('camvid')


# A row of Table 3 alone.
BESIDE = 'CFContra, on the fly'
# Rows of a table that its paper trained otherwise than the study of all methods does.
OTHERS = {
    'table2_gta2city': {'AdaptSegNet'},
    'table2_synthia2city': {'CLAN'},
    'table3_ablation': {BESIDE},
}


def test_runs_of_the_studies_are_those_of_the_full_study(tmp_path):
    known = {r.row: r.identity for r in plan_runs(load('toystreets'), (0,), tmp_path)}
    for name, others in OTHERS.items():
        runs = plan_runs(load(name, 'toystreets'), (0,), tmp_path)
        same = {run.row for run in runs if run.identity == known.get(run.row)}
        assert same == {run.row for run in runs} - others


@pytest.mark.parametrize('pair', [None, 'toystreets'])
def test_style_transfer_on_the_fly_needs_a_translator_and_no_copy(pair, tmp_path):
    study = load('table3_ablation', pair)
    runs = {run.row: run for run in plan_runs(study, (0,), tmp_path)}
    copied, run = runs['CFContra'], runs[BESIDE]
    (translator,) = run.needs
    assert translator in copied.needs[0].needs
    source = run.settings['train_dataloader']['dataset']['source']
    assert 'to_cityscapes' not in source['data_root']
    (transform,) = (t for t in source['pipeline'] if t['type'] == 'AdaINStylize')
    assert transform['config'] == translator.config
    assert transform['checkpoint'] == str(translator.final_checkpoint)
    target = run.settings['train_dataloader']['dataset']['target']
    images = Path(target['data_root'], target['data_prefix']['img_path'])
    assert transform['styles'] == str(images)


def test_the_defaults_of_table_5_are_one_run(tmp_path):
    study = load('table5_sensitivity')
    runs = plan_runs(study, (0,), tmp_path)
    (tau,) = (run for run in runs if run.row == 'tau = 0.07')
    same = {run.row for run in runs if run.identity == tau.identity}
    assert same == {'tau = 0.07', 'alpha = 0.9', 't = 0.05', 'lambda = 0.001'}
    assert len({run.identity for run in runs}) == 9
    listed = overview(study, tmp_path, only=['alpha = 0.9'])
    assert [f'alpha = 0.9 seed {s}' in listed for s in study.seeds] == [True] * 3


@pytest.mark.parametrize('name', sorted(TABLES))
def test_published_figures_stand_in_columns_of_the_table(name):
    study = load(name)
    classes = set(study.classes) or set(load('table2_gta2city').published['MinEnt'])
    headings = classes | {'mIoU'} | {column.name for column in study.columns}
    for row, figures in study.published.items():
        assert figures, row
        assert set(figures) <= headings, row


def test_synthias_classes_are_those_of_the_metric():
    study = load('table2_synthia2city')
    evaluator = open_config(study.measured()[0].config).test_evaluator[0]
    assert study.classes == tuple(evaluator.subsets.mIoU16)
    clan = set(study.published['CLAN']) - {'mIoU13'}
    assert clan == set(evaluator.subsets.mIoU13) == set(study.columns[0].classes)


# Rows whose printed classes do not have the printed mean.
MISPRINTED = {('table2_gta2city', 'MinEnt'): 40.7, ('table2_gta2city', 'CAG'): 50.1}


@pytest.mark.parametrize('name', ['table2_gta2city', 'table2_synthia2city'])
def test_published_classes_have_the_published_means(name):
    study = load(name)
    thirteen = set(study.published['CLAN']) - {'mIoU13'}
    for row, figures in study.published.items():
        ious = {key: v for key, v in figures.items() if not key.startswith('mIoU')}
        if 'mIoU' in figures and ious:
            mean = MISPRINTED.get((name, row), figures['mIoU'])
            assert fmean(ious.values()) == pytest.approx(mean, abs=0.06), row
        if 'mIoU13' in figures and ious:
            mean = fmean(ious[key] for key in thirteen)
            assert mean == pytest.approx(figures['mIoU13'], abs=0.06), row


def test_a_study_that_reads_the_parts_of_its_base_by_name(tmp_path):
    for name in ('studies', 'benchmarks'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'mine.py').write_text(
            "_base_ = './_base_/toystreets.py'\n"
            "study = dict(name='mine', seeds=[0], data={{_base_.toystreets.data}},\n"
            '    preparations={{_base_.toystreets.preparations}},\n'
            "    rows=[dict(name='a', config='a.py', cost=2.0)])\n"
        )
    shutil.copytree(ROOT / 'configs/studies/_base_', tmp_path / 'studies/_base_')
    with pytest.warns(FutureWarning, match='the field cost of a row'):
        study = load_study(tmp_path / 'studies/mine.py')
    assert study.preparations == load('toystreets').preparations
    message = r'_base_/toystreets\.py: no such .*; it is now .*studies/_base_'
    with pytest.raises(InputError, match=message):
        load_study(tmp_path / 'benchmarks/mine.py')


@pytest.mark.parametrize('name', sorted(TABLES))
def test_the_old_path_of_a_table_goes_with_another_pair(name):
    with pytest.warns(FutureWarning, match='is now'):
        study = load_study(Path('configs/benchmarks', f'{name}.py'), pair='toystreets')
    assert study == load(name, 'toystreets')


def test_a_pair_whose_preparations_are_not_known_is_named():
    message = '--pair nope: its preparations are not known; write them into .*/nope.py'
    with pytest.raises(InputError, match=message):
        load('toystreets', 'nope')
