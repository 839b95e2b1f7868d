"""Rows that follow from others: controls, trials, and the rows that they choose."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cfcontra_mm.benchmark import Development, Row, load_study, load_trials, plan_runs
from cfcontra_mm.benchmark.results.sources import strings
from cfcontra_mm.benchmark.study.search import draw_trials
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[3]
FILE = 'deeplabv2_r18_toystreets'
STUDY = f"""
_base_ = './_base_/toystreets.py'
study = dict(
    name='small', seeds=[3, 4], reference='MinEnt', feature_rows=['MinEnt'],
    published={{'MinEnt': dict(mIoU=4)}},
    shared={{'train_cfg.max_iters': 8}},
    development=dict(pair='toystreets_development', trials=3, seed=5),
    rows=[
        dict(name='source-only', config='configs/source_only/{FILE}.py'),
        dict(name='MinEnt', config='configs/minent/{FILE}.py',
             search={{'model.loss_entropy': (0.1, 100)}}),
        dict(name='CFContra', config='configs/cfcontra/{FILE}.py',
             overrides={{'model.terms': 'intra'}}, needs=['translation'],
             search={{'model.threshold': (0.01, 0.3),
                     'model.loss_contrast': (1, 1000)}}),
        dict(name='on the fly', config='configs/cfcontra/{FILE}_on-the-fly.py',
             needs=['style transfer'], search={{'model.momentum': (0.5, 0.99)}}),
    ])
"""


@pytest.fixture
def study(shipped, tmp_path):
    """Writes a study beside the shipped parts of pairs, with a text replaced."""
    shutil.copytree(ROOT / 'configs/studies/_base_', tmp_path / '_base_')

    def write(old='', new=''):
        assert old in STUDY
        path = tmp_path / 'study.py'
        path.write_text(STUDY.replace(old, new, 1))
        return path

    return write


def weights(overrides):
    return {key: overrides[key] for key in overrides if key.endswith('loss_weight')}


@pytest.mark.parametrize('number', [1, 2, 8, 9])
def test_trials_are_spread_over_the_logarithm_of_the_range(number):
    row = Row('a', 'a.py', search={'x': (0.01, 100), 'y': (1e-4, 1e-3)})
    drawn = draw_trials(row, Development('p', number))
    assert len(drawn) == number
    assert drawn[0] == {}
    for key, (low, high) in row.search.items():
        values = [values[key] for values in drawn[1:]]
        assert all(low <= value <= high for value in values)
        assert all(float(f'{value:.4g}') == value for value in values)
        if number == 9:  # each half of the decades has half of them
            assert sum(value < (low * high) ** 0.5 for value in values) == 4


def test_trials_depend_on_the_seed_and_on_the_number_of_keys_alone():
    row = Row('a', 'a.py', search={'x': (1, 10), 'y': (1, 10)})
    drawn = draw_trials(row, Development('p', 6))
    assert draw_trials(row, Development('p', 9))[:6] == drawn
    other = Row('b', 'b.py', search={'v': (1, 10), 'u': (1, 10)})
    renamed = [dict(zip('xy', values.values(), strict=False)) for values in drawn]
    assert [
        dict(zip('xy', values.values(), strict=False))
        for values in draw_trials(other, Development('p', 6))
    ] == renamed
    assert draw_trials(row, Development('p', 6, seed=1)) != drawn


def test_each_searched_row_is_followed_by_the_rows_that_are_chosen(study):
    found = load_study(study())
    assert found.row_names() == [
        'source-only',
        'MinEnt',
        'MinEnt, tuned (3 trials)',
        'CFContra',
        'CFContra, tuned (3 trials)',
        'on the fly',
        'on the fly, tuned (3 trials)',
    ]
    assert [row.name for row in found.planned()] == [
        'source-only',
        'MinEnt',
        'CFContra',
        'on the fly',
    ]
    added = "seed=5, label_free='target/information'"
    names = load_study(study('seed=5', added)).row_names()
    assert names[3] == 'MinEnt, selected without labels (3 trials)'
    assert len(names) == 10


def test_trials_are_of_the_published_and_of_drawn_settings(study):
    trials = load_trials(study())
    assert (trials.name, trials.seeds) == ('small_development', (5,))
    assert (trials.network, trials.shared) == (
        'deeplabv2_r18',
        {'train_cfg.max_iters': 8},
    )
    names = [f'{row}, trial {n}' for row in ('MinEnt', 'CFContra') for n in range(3)]
    assert trials.row_names()[:6] == names
    minent, cfcontra = trials.rows[:3], trials.rows[3:6]
    assert minent[0].overrides == {}
    for row in minent[1:]:
        decode, aux = row.overrides.values()
        assert decode == pytest.approx(5 * aux, rel=1e-3)
        assert 1e-4 <= decode <= 0.1
    assert cfcontra[0].overrides == {'model.terms': 'intra'}
    for row in cfcontra[1:]:
        assert row.overrides.keys() == {
            *('model.terms', 'model.threshold'),
            'model.loss_contrast.loss_weight',
        }
        assert 1e-3 <= row.overrides['model.loss_contrast.loss_weight'] <= 1
        config = trials.resolve(row)
        assert config.model.threshold == row.overrides['model.threshold']


def test_no_trial_names_a_folder_of_the_tables_pair(study, tmp_path):
    path = study()
    trials, table = load_trials(path), load_study(path)
    runs = plan_runs(trials, trials.seeds, tmp_path)
    assert {run.seed for run in runs} == {5}
    preparations = {need for run in runs for need in run.needs}
    preparations |= {inner for need in preparations for inner in need.needs}
    assert len(preparations) >= 2
    named = {
        text
        for step in (*runs, *preparations)
        for text in strings([step.settings, str(step.work_dir)])
    }
    for folder in ('data/toystreets', 'work_dirs/adain/adain_toystreets'):
        assert any(text.startswith(f'{folder}_development') for text in named)
        assert not any(f'{text}/'.startswith(f'{folder}/') for text in named)
    others = {preparation.folder() for preparation in table.preparations}
    assert not others & {preparation.folder() for preparation in trials.preparations}
    assert trials.data['root'] not in (table.data['root'], '')
    assert trials.data['seed'] != table.data['seed']


def test_a_study_without_a_search_has_no_trials(shipped):
    assert load_trials(Path('configs/studies/demo_toystreets.py')) is None


def test_the_pair_of_a_row_is_not_that_of_its_trials(study):
    path = study("needs=['style transfer'], ", "pair='gta2city', ")
    trials = load_trials(path)
    (run, *_) = [row for row in trials.rows if row.name == 'on the fly, trial 0']
    source = trials.resolve(run).train_dataloader.dataset.source
    assert source.data_root == 'data/toystreets_development/gta5'


def test_the_network_of_the_table_is_that_of_the_trials(study):
    trials = load_trials(study(), network='segformer_b0')
    assert trials.name == 'small_segformer_b0_development'
    assert trials.resolve(trials.rows[0]).model.backbone.type == 'MiT'


def test_the_development_pair_belongs_to_the_pair(study):
    message = "row 'MinEnt' has a search, but the study has no development"
    with pytest.raises(InputError, match=message):
        load_study(study(), pair='gta2city')


PARTS = "pair='toystreets_development', trials=3, seed=5"
SPAN = "{'model.loss_entropy': (0.1, 100)}"


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        (f'development=dict({PARTS}),', '', 'has a search, but the study has no devel'),
        ('trials=3', 'trials=0', r'development\.trials: must be a positive integer'),
        ('trials=3', 'trial=3', r'study\.development: unknown key .*mean trials\?'),
        ('seed=5', 'seed=-5', r'development\.seed: must be an integer in 0-'),
        (PARTS, 'trials=3', r"study\.development: missing key 'pair'"),
        (f'dict({PARTS})', '3', r'study\.development is 3; expected a dict'),
        ("='toystreets_development'", "='toystreets'", "toystreets is the table's own"),
        (SPAN, "{'model.loss_entropy': (1, 1)}", r'model\.loss_entropy: must be a low'),
        (SPAN, "{'model.loss_entropy': (0, 1)}", r'must be a lowest and a higher val'),
        (SPAN, "{'model.loss_entropy': (1,)}", 'must be a lowest and a higher value'),
        (SPAN, "{'model.loss_entropy': 3}", r"search\['model.*is 3; expected a list"),
        (SPAN, "{'model.loss_entorpy': (1, 2)}", 'model.loss_entorpy is neither a num'),
        (SPAN, "{'model.type': (1, 2)}", r'model\.type is neither a number in'),
        (SPAN, "{'model.test_cfg': (1, 2)}", 'nor a group with a loss_weight; correct'),
        ("'model.threshold': (0.01", "'model.momentum': (2.0", 'must be a lowest'),
        ('(0.5, 0.99)', '(0.5, 2)', r'model\.momentum: must be a number in 0-1, not 2'),
        ("config='configs/minent/deeplabv2_r18_toystreets.py',", '', 'but no config'),
    ],
)
def test_a_wrong_search_is_one_line(study, old, new, message):
    with pytest.raises(InputError, match=message) as caught:
        load_study(study(old, new))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('folder', ['target', 'val', 'copy'])
def test_trials_on_the_tables_data_are_refused(study, tmp_path, folder):
    pair = ROOT / 'configs/_base_/pairs/toystreets_development.py'
    own = tmp_path / 'own.py'
    places = dict(
        target='train_dataloader.dataset.target.data_root',
        val='val_dataloader.dataset.data_root',
        copy='train_dataloader.dataset.source.data_root',
    )
    own.write_text(f"_base_ = '{pair}'\n")
    path = study("pair='toystreets_development'", f"pair='{own}'")
    preparations = (tmp_path / '_base_/toystreets_development.py').read_text()
    (tmp_path / '_base_/own.py').write_text(preparations)
    assert load_trials(path)
    *keys, last = places[folder].split('.')
    name = 'gta5_to_cityscapes' if folder == 'copy' else 'cityscapes'
    node = f"dict({last}='data/toystreets/{name}')"
    for key in reversed(keys):
        node = f'{key}={node}' if key == keys[0] else f'dict({key}={node})'
    own.write_text(f"_base_ = '{pair}'\n{node.replace('=', ' = ', 1)}\n")
    with pytest.raises(InputError, match=r"its data .*toystreets/.* are the table's"):
        load_trials(path)


def test_a_link_to_the_tables_data_is_refused(study):
    path = study()
    os.makedirs('data/toystreets')
    os.symlink('toystreets', 'data/toystreets_development')
    with pytest.raises(InputError, match=r"development\.pair: its data .* the table's"):
        load_trials(path)


def controlled(study, folder):
    old = f"config='configs/source_only/{FILE}.py'"
    return study(old, f"config='configs/{folder}/{FILE}.py', control=True")


@pytest.mark.parametrize(
    'folder', ['minent', 'adaptsegnet', 'advent', 'clan', 'cfcontra']
)
def test_a_control_has_every_loss_of_the_method_at_weight_zero(study, folder):
    found = load_study(controlled(study, folder))
    row, control = found.rows[:2]
    assert control.name == 'source-only, weights 0'
    plain, zero = found.resolve(row).to_dict(), found.resolve(control).to_dict()
    assert control.overrides
    for key in control.overrides:
        node, other = plain, zero
        for part in key.split('.')[:-1]:
            node, other = node[part], other[part]
        assert (node.pop('loss_weight') > 0, other.pop('loss_weight')) == (True, 0)
    assert plain == zero  # all else is the same, the losses of the heads too
    heads = ('decode_head', 'auxiliary_head')
    own = {key: zero['model'][key] for key in zero['model'] if key not in heads}
    assert 'loss_weight' not in str(own)
    assert 'loss_weight' in str(zero['model']['decode_head'])


@pytest.mark.parametrize('folder', ['source_only', 'dacs'])
def test_a_method_without_losses_of_its_own_has_no_control(study, folder):
    message = "row 'source-only': control: .* has no loss of its own .*remove control"
    with pytest.raises(InputError, match=message) as caught:
        load_study(controlled(study, folder))
    assert '\n' not in str(caught.value)


def test_rows_that_share_the_published_settings_are_not_warned_of(study, recwarn):
    found = load_study(study())
    chosen = [
        replace(row, trial=0) if row.name == 'MinEnt, tuned (3 trials)' else row
        for row in found.rows
    ]
    runs = plan_runs(replace(found, rows=tuple(chosen)), (3,), Path('out'))
    same = [run for run in runs if run.row.startswith('MinEnt')]
    assert len(same) == 2
    assert same[0].identity == same[1].identity
    assert same[0].work_dir == same[1].work_dir
    assert not [w for w in recwarn if 'equal settings' in str(w.message)]
