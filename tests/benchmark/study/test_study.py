from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from cfcontra_mm.benchmark import Column, Preparation, load_study, plan_runs
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[3]
STUDY = """study = dict(
    name='demo', baseline='a', oracle='b', seeds=[0, 1],
    data=dict(root='d', num_source=3, num_target=2, num_val=1, size=(64, 32)),
    rows=[dict(name='a', config='a.py'), dict(name='b', config='b.py', overrides={})])
"""


def write(tmp_path, text):
    path = tmp_path / 'study.py'
    path.write_text(text)
    return path


def refuse(path, message):
    with pytest.raises(InputError, match=message) as caught:
        load_study(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_load_study(tmp_path):
    study = load_study(write(tmp_path, STUDY))
    assert [(r.name, r.config) for r in study.rows] == [('a', 'a.py'), ('b', 'b.py')]
    assert study.seeds == (0, 1)
    # As it stands there: runs are told apart by it.
    assert study.data == dict(
        root='d', num_source=3, num_target=2, num_val=1, size=(64, 32)
    )


PREPARED = STUDY.replace(
    'rows=',
    """preparations=[
        dict(name='style', train='style.py'),
        dict(name='copy', translate='style.py', out='d/copy', needs=['style'])],
    rows=""",
).replace('overrides={}', "needs=['copy']")


def test_load_preparations(tmp_path):
    study = load_study(write(tmp_path, PREPARED))
    assert [row.needs for row in study.rows] == [(), ('copy',)]
    style, copy = study.preparations
    assert (style.kind, style.config, style.needs) == ('train', 'style.py', ())
    assert (copy.kind, copy.config, copy.needs) == ('translate', 'style.py', ('style',))
    assert copy.folder() == Path('d/copy')
    elsewhere = Preparation('style', train='configs/adain/style.py')
    assert elsewhere.folder() == Path('work_dirs/adain/style')


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        (
            "needs=['copy']",
            "needs=['style', 'x']",
            "'b' needs an unknown .* 'x'",
        ),
        (
            "needs=['style']",
            "needs=['x']",
            "'copy' needs .* 'x'; .* style, copy",
        ),
        ("name='style'", "name='copy'", "duplicate preparation name 'copy'; rename"),
        ("train='style.py'", "out='x'", "'style' must set either train"),
        ("train='style.py'", "train='a', translate='b', out='c'", 'must set either'),
        ("out='d/copy', ", '', "'copy' must set either train, or translate and out"),
        (
            "train='style.py'",
            "train='a', needs=['copy']",
            'style -> copy -> style',
        ),
        ("translate='style.py', out='d/copy'", "train='style.py'", 'both write to'),
        (
            "train='style.py'",
            "train='style.py', cost=2",
            r"preparations\[0\]: unknown key 'cost'; choose",
        ),
        (
            "needs=['copy']",
            "needs='copy'",
            r"rows\[1\]\.needs is 'copy'; expected a",
        ),
        ("needs=['style']", "needs='style'", r'preparations\[1\]\.needs is'),
        ("train='style.py'", 'train=1', r'train is 1; expected a string or None'),
    ],
)
def test_wrong_preparations_are_named(tmp_path, old, new, message):
    assert old in PREPARED
    refuse(write(tmp_path, PREPARED.replace(old, new)), message)


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("name='b', c", "name='a', c", "duplicate row name 'a'; rename one"),
        ('seeds=[0, 1]', 'seeds=[0, 1, 0]', 'duplicate seed 0; remove one'),
        ("oracle='b'", "oracle='c'", "oracle 'c' is not a row .*; choose from a, b"),
        ("oracle='b'", "reference='c'", "reference 'c' is not a row"),
        ("oracle='b'", "published={'c': {}}", "unknown row 'c' in published; choose"),
        ("config='b.py', ", '', "oracle 'b' is not a row with a config; choose from a"),
        (
            'overrides={}',
            'price=2.5',
            r"rows\[1\]: unknown key 'price'; choose from name, config",
        ),
        (
            'overrides={}',
            'overrides=[1]',
            r'rows\[1\]\.overrides is \[1\]; expected a dict',
        ),
        ("config='b.py'", 'config=b', r'study\.py: not a config \(NameError'),
        ('seeds=[0, 1]', 'seeds=[]', 'seeds is empty'),
        ('seeds=[0, 1]', 'seeds=3', r'study\.seeds is 3; expected a list'),
        ('seeds=[0, 1]', "seeds=[0, '1']", r"seeds\[1\] is '1'; expected an integer"),
        (' seeds=[0, 1],', '', "study: missing key 'seeds'; add it"),
        ('rows=', 'classes=', "study: missing key 'rows'; add it"),
        ("oracle='b'", "classes='road'", r"classes is 'road'; expected a list"),
        (
            "oracle='b'",
            'published=dict(a=4)',
            r"\['a'\] is 4; expected a dict",
        ),
        (
            "oracle='b'",
            'published=dict(a=dict(mIoU=[4]))',
            'expected a number or a string',
        ),
        (
            "root='d'",
            "rooot='d'",
            r"study\.data: unknown key 'rooot'; did you mean root\? ",
        ),
        (', num_val=1', '', r"study\.data: missing key 'num_val'; add it"),
        ('num_val=1', 'num_val=1, number=2', r"study\.data: unknown key 'number'"),
        ('study =', 'studies =', 'no `study'),
    ],
)
def test_wrong_study_names_file_and_field(tmp_path, old, new, message):
    assert old in STUDY
    refuse(write(tmp_path, STUDY.replace(old, new)), message)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('study = 5', 'no `study'),
        ("study = dict(name='a', seeds=[0], rows=[])", 'rows is empty'),
        (
            "study = dict(name='a', seeds=[0], rows=['b'])",
            r"\[0\] is 'b'; expected a",
        ),
        (
            "study = dict(name='a', seeds=[0], rows=[dict(name='b')],\n"
            '    published=dict(b=dict(mIoU=4)))',
            'no row has a config; add one to at least',
        ),
        ('study = dict(', r'study\.py: not a config \(SyntaxError'),
    ],
)
def test_what_is_no_study_is_refused(tmp_path, text, message):
    refuse(write(tmp_path, text), message)


COLUMNS = STUDY.replace(
    'rows=',
    """classes=['road', 'sky'],
    columns=[dict(name='acc', key='x'), dict(name='mIoU1', classes=['sky'])],
    published=dict(a=dict(road=1, mIoU=2.5, acc='+5 %')),
    rows=""",
)


def test_load_columns(tmp_path):
    study = load_study(write(tmp_path, COLUMNS))
    assert study.columns == (Column('acc', 'x'), Column('mIoU1', classes=('sky',)))
    assert study.published == {'a': {'road': 1, 'mIoU': 2.5, 'acc': '+5 %'}}
    # The classes of such a study are those of its test.
    free = COLUMNS.replace("classes=['road', 'sky'],", '')
    assert load_study(write(tmp_path, free)).published == study.published


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("name='mIoU1'", "name='acc'", "duplicate heading 'acc'"),
        ("name='mIoU1'", "name='mIoU'", "duplicate heading 'mIoU'"),
        ("name='mIoU1'", "name='sky'", "duplicate heading 'sky'"),
        ("'road', 'sky'", "'road', 'road'", "duplicate heading 'road'"),
        (", key='x'", '', "column 'acc' must set either key or classes"),
        ("classes=['sky']", "classes=['sky'], key='x'", "'mIoU1' must set either"),
        ("classes=['sky']", "classes='sky'", r"columns\[1\]\.classes is 'sky'"),
        (
            'road=1',
            'raod=1',
            "heading 'raod' in .* 'a'; choose from road, sky, mIoU",
        ),
    ],
)
def test_wrong_columns_are_named(tmp_path, old, new, message):
    assert old in COLUMNS
    refuse(write(tmp_path, COLUMNS.replace(old, new)), message)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('train_cfg = dict(', r'source\.py: not a config \(SyntaxError'),
        ("_base_ = './nowhere.py'", r'nowhere\.py: no such config'),
        ('raise ValueError', r'source\.py: not a config \(ValueError'),
    ],
)
def test_broken_configs_of_rows_are_named(tmp_path, fake, text, message):
    (tmp_path / 'source.py').write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        plan_runs(fake.study, (0,), fake.out)
    assert '\n' not in str(caught.value)


def test_a_study_is_a_file_that_mmengine_reads(tmp_path):
    path = tmp_path / 'study.txt'
    path.write_text(STUDY)
    refuse(path, r'study\.txt: not a config \(OSError: Only py/')


def test_missing_files_are_named(tmp_path, fake):
    with pytest.raises(InputError, match=r'nowhere\.py'):
        load_study(tmp_path / 'nowhere.py')
    (tmp_path / 'oracle.py').unlink()
    with pytest.raises(InputError, match=r'oracle\.py'):
        plan_runs(fake.study, (0,), fake.out)


def test_config_without_iterations_is_refused(tmp_path, fake):
    (tmp_path / 'oracle.py').write_text('model = dict()')
    with pytest.raises(InputError, match='max_iters'):
        plan_runs(fake.study, (0,), fake.out)


def test_identity_follows_config_seed_and_data_but_not_comments(fake, tmp_path):
    def identity(seed=0, study=fake.study):
        return plan_runs(study, (seed,), fake.out)[0].identity

    first = identity()
    config = tmp_path / 'source.py'
    config.write_text(config.read_text() + '\n# the same settings\n')
    assert identity() == first
    fake.configure('source', max_iters=30)
    changed = {
        identity(),
        identity(seed=1),
        identity(study=replace(fake.study, data={'root': 'elsewhere'})),
    }
    assert len(changed | {first}) == 4


def test_identity_reads_the_base_configs(fake, tmp_path):
    (tmp_path / 'base.py').write_text('train_cfg = dict(max_iters=5)')
    (tmp_path / 'source.py').write_text("_base_ = 'base.py'")
    before = plan_runs(fake.study, (0,), fake.out)[0]
    assert before.max_iters == 5
    (tmp_path / 'base.py').write_text('train_cfg = dict(max_iters=6)')
    assert plan_runs(fake.study, (0,), fake.out)[0].identity != before.identity


def test_a_row_needs_a_config_or_published_figures(tmp_path):
    alone = STUDY.replace('rows=[', "rows=[dict(name='c'), ")
    with pytest.raises(InputError, match="'c' has neither a config nor published"):
        load_study(write(tmp_path, alone))
    published = alone.replace(
        "name='demo'", "name='demo', published={'c': {'mIoU': 4}}"
    )
    study = load_study(write(tmp_path, published))
    assert [row.name for row in study.measured()] == ['a', 'b']
    assert study.row_names() == ['c', 'a', 'b']
    assert study.published == {'c': {'mIoU': 4}}


def override(study, overrides, **changes):
    first, *others = study.rows
    rows = (replace(first, overrides=overrides), *others)
    return replace(study, rows=rows, **changes)


def test_overrides_are_the_identitys_and_the_processes(fake):
    plain = plan_runs(fake.study, (0,), fake.out)[0]
    study = override(fake.study, {'fake.x.y': 2.5}, shared={'train_cfg.max_iters': 30})
    first, second, _ = plan_runs(study, (0,), fake.out)
    assert (first.max_iters, second.max_iters) == (30, 30)
    assert first.identity != plain.identity
    first.begin()
    read = Config.fromfile(first.settings_file)
    assert (read.train_cfg.max_iters, read.fake.x.y) == (30, 2.5)
    for command in first.commands(Path('t')).values():
        assert command[2] == str(first.settings_file)


def test_a_row_overrides_what_is_shared(fake):
    shared = {'train_cfg.max_iters': 30}
    study = override(fake.study, {'train_cfg.max_iters': 40}, shared=shared)
    runs = plan_runs(study, (0,), fake.out)
    assert [run.max_iters for run in runs] == [40, 30, 30]


def test_an_override_that_does_not_fit_is_named(fake):
    study = override(fake.study, {'data_root.x': 1})
    with pytest.raises(InputError, match=r'source\.py: overrides of row ') as caught:
        plan_runs(study, (0,), fake.out)
    assert '\n' not in str(caught.value)


def test_rows_of_the_same_settings_share_a_folder(fake):
    first = fake.study.rows[0]
    twin = replace(first, name='twin', overrides={'train_cfg.max_iters': 20})
    study = replace(fake.study, rows=(*fake.study.rows, twin))
    said = "rows 'source', 'twin' have equal settings and share their trainings"
    with pytest.warns(UserWarning, match=said):
        runs = plan_runs(study, (0,), fake.out)
    assert runs[3].row == 'twin'
    assert (runs[3].identity, runs[3].work_dir) == (runs[0].identity, runs[0].work_dir)
    assert len({run.work_dir for run in runs}) == 3


def test_a_study_names_the_network_and_pair_of_its_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[3])
    config = 'configs/minent/deeplabv2_r101_gta2city.py'
    rows = f"""[
        dict(name='a', config='{config}'),
        dict(name='b', config='{config}', network='segformer_b0', pair='synthia2city'),
    ])
"""
    text = STUDY[: STUDY.index('rows=')].replace("oracle='b', ", '')
    parts = "network='deeplabv2_r18', pair='toystreets', rows="
    study = load_study(write(tmp_path, text + parts + rows))
    shared, own = (study.resolve(row) for row in study.rows)
    small = Config.fromfile('configs/minent/deeplabv2_r18_toystreets.py')
    assert shared.to_dict() == small.to_dict()
    assert own.model.backbone.type == 'MiT'
    assert own.source_root == 'data/synthia'
    plain = load_study(write(tmp_path, f'{text}rows={rows}'))
    assert plain.resolve(plain.rows[0]).to_dict() == Config.fromfile(config).to_dict()
    runs = plan_runs(study, (0,), tmp_path)
    assert [run.max_iters for run in runs] == [400, 40_000]
    assert len({run.identity for run in runs}) == 2


def test_a_study_with_an_unknown_network_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[3])
    config = 'configs/minent/deeplabv2_r18_toystreets.py'
    text = STUDY.replace("'a.py'", repr(config)).replace('seeds', "network='b9', seeds")
    study = load_study(write(tmp_path, text))
    with pytest.raises(InputError, match="unknown network 'b9'; choose from"):
        plan_runs(study, (0,), tmp_path)


def test_a_row_that_is_tested_on_other_images_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    config = 'configs/minent/deeplabv2_r18_toystreets.py'
    rows = f"""[
        dict(name='a', config='{config}'), dict(name='c', config='{config}'),
        dict(name='b', config='{config}', pair='gta2city')]"""
    text = f"study = dict(name='demo', seeds=[0], rows={rows})\n"
    study = load_study(write(tmp_path, text))
    said = "row 'b' is tested on data/cityscapes.* but 'a' on data/toystreets/"
    with pytest.warns(UserWarning, match=said) as caught:
        plan_runs(study, (0,), tmp_path)
    assert not [w for w in caught if "row 'c'" in str(w.message)]


def test_a_study_finds_its_configs_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    study = load_study(ROOT / 'configs/studies/toystreets.py')
    configs = [row.config for row in study.measured()]
    configs += [preparation.config for preparation in study.preparations]
    assert all(Path(config).is_file() for config in configs)
    folders = {preparation.folder() for preparation in study.preparations}
    assert Path('work_dirs/adain/adain_toystreets') in folders
    monkeypatch.chdir(ROOT)
    study = load_study(ROOT / 'configs/studies/toystreets.py')
    assert study.rows[0].config.startswith('configs/')


def test_the_class_file_of_a_study_is_found_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    study = load_study(ROOT / 'configs/studies/camvid.py')
    for row in study.measured():
        assert Path(study.resolve(row).folders.classes).is_file()


def test_an_override_of_a_row_is_checked_at_every_level(fake):
    for key, value in {
        'trian_cfg.max_iters': 3,
        'train_cfg': dict(max_iter=3),
        'train_cfg.max_iters': -3,
    }.items():
        study = override(fake.study, {'default_scope': 'mmseg', key: value})
        with pytest.raises(InputError, match="overrides of row 'source': tr"):
            plan_runs(study, (0,), fake.out)
