"""Any method's config on any network and any pair."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from helpers import CONFIGS, TOYSTREETS, method_folders
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS, PARAM_SCHEDULERS

from cfcontra_mm.config.combination import run_name, stretch
from cfcontra_mm.config.reading import open_config
from cfcontra_mm.errors import InputError

BASES = CONFIGS / '_base_'
NETWORKS = sorted(path.stem for path in (BASES / 'networks').glob('*.py'))
PAIRS = sorted(path.stem for path in (BASES / 'pairs').glob('*.py'))
SHIPPED = sorted(
    (network, pair)
    for network in NETWORKS
    for pair in PAIRS
    if (BASES / f'{network}_{pair}.py').exists()
)
MINENT = CONFIGS / 'minent' / TOYSTREETS
WARM_UP = dict(type='LinearLR', start_factor=1e-6, begin=0, end=1500, by_epoch=False)
DECAY = dict(type='PolyLR', power=1.0, begin=1500, end=40000, by_epoch=False)


def of(kind, name):
    return Config.fromfile(BASES / kind / f'{name}.py')


def hooks(cfg):
    return [hook.type for hook in cfg.get('custom_hooks', [])]


@pytest.mark.parametrize('pair', PAIRS)
@pytest.mark.parametrize('network', NETWORKS)
def test_every_method_stands_on_every_network_and_pair(network, pair):
    theirs, data = of('networks', network), of('pairs', pair)
    for folder in method_folders():
        method = Config.fromfile(CONFIGS / folder / TOYSTREETS)
        cfg = open_config(CONFIGS / folder / TOYSTREETS, network=network, pair=pair)
        assert cfg.model.type == method.model.type
        assert hooks(cfg) == hooks(method)
        for part in ('data_preprocessor', 'backbone', 'decode_head', 'auxiliary_head'):
            assert cfg.model.get(part) == theirs.model.get(part), (folder, part)
        assert cfg.optim_wrapper.optimizer == theirs.optim_wrapper.optimizer
        assert (
            cfg.train_dataloader.dataset.target == data.train_dataloader.dataset.target
        )
        assert cfg.val_dataloader == data.val_dataloader
        assert cfg.train_cfg.val_interval == data.train_cfg.val_interval
        iterations = data.train_cfg.get('max_iters', theirs.iterations)
        assert cfg.train_cfg.max_iters == iterations
        ends = [scheduler.end for scheduler in theirs.param_scheduler]
        scaled = [round(end * iterations / theirs.iterations) for end in ends]
        assert [scheduler.end for scheduler in cfg.param_scheduler] == scaled
        assert cfg.tta_model.type == 'SegTTAModel'


@pytest.mark.parametrize(('network', 'pair'), SHIPPED)
def test_a_shipped_base_is_what_the_rule_makes_of_its_parts(network, pair, tmp_path):
    # Copies, for which no base is shipped.
    shutil.copytree(BASES / 'networks', tmp_path / 'networks')
    path = CONFIGS / 'minent' / f'{network}_{pair}.py'
    copy = str(tmp_path / 'networks' / f'{network}.py')
    made, shipped = open_config(path, network=copy), open_config(path)
    assert made.to_dict() == shipped.to_dict() == Config.fromfile(path).to_dict()


def test_a_shipped_base_is_taken_as_it_is(tmp_path):
    shutil.copytree(CONFIGS, tmp_path / 'configs')
    base = tmp_path / 'configs' / '_base_' / 'deeplabv2_r101_gta2city.py'
    base.write_text(base.read_text() + 'remark = 1\n')
    path = tmp_path / 'configs' / 'minent' / TOYSTREETS
    cfg = open_config(path, network='deeplabv2_r101', pair='gta2city')
    assert cfg.remark == 1
    assert 'remark' not in open_config(path, network='deeplabv2_r101')


def test_a_config_on_its_own_network_and_pair_is_itself():
    cfg = open_config(MINENT, network='deeplabv2_r18', pair='toystreets')
    assert cfg.to_dict() == open_config(MINENT).to_dict()


@pytest.mark.parametrize('config', [TOYSTREETS, 'deeplabv2_r101_gta2city.py'])
@pytest.mark.parametrize('pair', PAIRS)
def test_the_pair_says_of_how_many_images_the_first_centers_are(config, pair):
    (hook,) = open_config(CONFIGS / 'cfcontra' / config, pair=pair).custom_hooks
    assert hook.max_images == (1000 if '2city' in pair else 200)


def test_methods_take_the_paths_of_their_pair_from_it():
    """The copy in the target's style, the plain source, the labelled target."""
    for pair in sorted(set(PAIRS) - {'folders'}):
        data = of('pairs', pair)

        def source(folder, file=TOYSTREETS, pair=pair):
            cfg = open_config(CONFIGS / folder / file, pair=pair)
            return cfg.train_dataloader.dataset.source

        assert source('minent') == data.train_dataloader.dataset.source
        assert source('cfcontra').data_root == data.translated_root
        style, contrast = (
            source('ablation', f'toystreets_{name}.py')
            for name in ('2_minent_style', '3_minent_contrast')
        )
        assert style.data_root == data.translated_root
        assert contrast == data.train_dataloader.dataset.source
        assert source('oracle') == data.labelled_target
        assert data.translated_root != data.source_root


ON_THE_FLY = ('deeplabv2_r18_toystreets', 'deeplabv2_r101_gta2city')


@pytest.mark.parametrize('pair', sorted(set(PAIRS) - {'folders'}))
@pytest.mark.parametrize('name', ON_THE_FLY)
def test_what_stylises_while_loading_reads_its_own_pair(name, pair):
    data = of('pairs', pair)
    path = CONFIGS / 'cfcontra' / f'{name}_on-the-fly.py'
    source = open_config(path, pair=pair).train_dataloader.dataset.source
    plain = data.train_dataloader.dataset.source
    assert (source.type, source.data_root) == (plain.type, data.source_root)
    assert source.data_prefix == plain.data_prefix
    (style,) = (t for t in source.pipeline if t.type == 'AdaINStylize')
    target = data.train_dataloader.dataset.target
    assert style.styles == f'{target.data_root}/{target.data_prefix.img_path}'
    translator = Path(style.config).stem
    assert translator.endswith(pair)
    assert Path(style.checkpoint).parent.name == translator
    assert open_config(CONFIGS.parent / style.config).model.type
    # But for the style it is the pair's own pipeline.
    assert [t for t in source.pipeline if t != style] == plain.pipeline


@pytest.mark.parametrize('name', ON_THE_FLY)
def test_folders_have_no_translator_of_their_own(name):
    path = CONFIGS / 'cfcontra' / f'{name}_on-the-fly.py'
    with pytest.raises(InputError, match=r'needs stylised_source.*folders'):
        open_config(path, pair='folders')


@pytest.mark.parametrize('name', ['source_root', 'translated_root'])
def test_a_users_own_folders_are_all_that_is_read(name):
    cfg = open_config(CONFIGS / 'cfcontra' / TOYSTREETS, pair='folders')
    assert cfg.train_dataloader.dataset.source.data_root is None
    assert cfg[name] is None


def test_what_a_pair_lacks_is_named(tmp_path):
    settings = of('pairs', 'folders').to_dict()
    del settings['labelled_target']
    path = tmp_path / 'mine.py'
    path.write_text(''.join(f'{k} = {v!r}\n' for k, v in settings.items()))
    with pytest.raises(InputError, match=r'oracle/.*: needs labelled_target.*mine'):
        open_config(CONFIGS / 'oracle' / TOYSTREETS, pair=str(path))


class TestAUsersConfig:
    """Outside of the repository, or of an installed package."""

    def check(self, path):
        cfg = open_config(path, network='segformer_b0', pair='gta2city')
        assert cfg.model.backbone.type == 'MiT'
        assert cfg.model.loss_entropy.decode.loss_weight == 0.5
        assert cfg.train_cfg.max_iters == 40_000
        assert cfg.filename == str(path)
        return cfg

    @pytest.mark.parametrize(
        'base',
        [
            "'{configs}/minent/deeplabv2_r18_toystreets.py'",
            "['{configs}/minent/deeplabv2_r18_toystreets.py', 'extra.py']",
            "'../configs/minent/deeplabv2_r18_toystreets.py'",
            "'middle.py'",
        ],
        ids=['absolute', 'list', 'relative', 'chain'],
    )
    def test_stands_on_a_shipped_one(self, tmp_path, base):
        (tmp_path / 'configs').symlink_to(CONFIGS)
        folder = tmp_path / 'mine'
        folder.mkdir()
        (folder / 'extra.py').write_text('extra = 1\n')
        middle = "_base_ = '../configs/minent/deeplabv2_r18_toystreets.py'\n"
        (folder / 'middle.py').write_text(middle)
        path = folder / 'best.py'
        path.write_text(
            '"""Mine."""\n'
            f'_base_ = {base.format(configs=CONFIGS)}\n'
            'model = dict(loss_entropy=dict(decode=dict(loss_weight=0.5)))\n'
            'root = {{_base_.translated_root}}\n'
            "me = '{{ fileDirname }}/{{ fileBasenameNoExtension }}'\n"
        )
        cfg = self.check(path)
        assert cfg.root == 'data/gta5_to_cityscapes'
        assert cfg.me == str(folder / 'best')
        assert cfg.get('extra') == (1 if 'extra' in base else None)

    def test_stands_on_an_installed_one(self, tmp_path, monkeypatch):
        configs = tmp_path / 'cfcontra_mm' / '.mim' / 'configs'
        shutil.copytree(CONFIGS, configs)
        monkeypatch.chdir(tmp_path)
        path = Path('mine.py')
        path.write_text(
            f"_base_ = '{configs.relative_to(tmp_path)}/minent/{TOYSTREETS}'\n"
            'model = dict(loss_entropy=dict(decode=dict(loss_weight=0.5)))\n'
        )
        self.check(path)

    def test_takes_a_network_and_a_pair_of_ones_own(self, tmp_path):
        network, pair = tmp_path / 'tiny.py', tmp_path / 'mine.py'
        network.write_text(
            f"_base_ = '{BASES}/networks/deeplabv2_r18.py'\n"
            'model = dict(backbone=dict(base_channels=8))\n'
            'iterations = 100\n'
            "param_scheduler = dict(_delete_=True, type='PolyLR', end=100)\n"
        )
        pair.write_text(
            f"_base_ = '{BASES}/pairs/toystreets.py'\n"
            "source_root = 'elsewhere'\n"
            'train_cfg = dict(max_iters=50)\n'
        )
        cfg = open_config(MINENT, network=str(network), pair=str(pair))
        assert cfg.model.backbone.base_channels == 8
        assert cfg.source_root == 'elsewhere'
        assert cfg.train_cfg.max_iters == 50
        assert [scheduler.end for scheduler in cfg.param_scheduler] == [50]
        assert run_name(MINENT, str(network), str(pair))[:10] == 'tiny_mine_'
        # Even if it has the name of a shipped one.
        namesake = network.rename(tmp_path / 'deeplabv2_r18.py')
        assert open_config(MINENT, network=str(namesake)).iterations == 100

    def test_joins_a_network_and_a_pair_itself(self, tmp_path):
        base = tmp_path / 'mine.py'
        base.write_text(
            f"_base_ = ['{BASES}/networks/deeplabv2_r18.py',"
            f" '{BASES}/pairs/gta2city.py', '{BASES}/default_runtime.py']\n"
            'train_cfg = dict(max_iters=7)\n'
        )
        path = tmp_path / 'method.py'
        path.write_text("_base_ = './mine.py'\nmodel = dict(type='MinEnt')\n")
        assert open_config(path, network='deeplabv2_r18').train_cfg.max_iters == 7
        assert open_config(path, pair='toystreets').train_cfg.max_iters == 400


@pytest.mark.parametrize(
    ('parts', 'said'),
    [
        (dict(network='segformer_b1'), "unknown network 'segformer_b1'; .*_b0"),
        (dict(pair='kitti'), 'choose from folders, gta2city, synthia2city, toystreets'),
        (dict(network='no/such.py'), r'network no/such\.py: no such file'),
    ],
)
def test_unknown_parts(parts, said):
    with pytest.raises(InputError, match=said) as caught:
        open_config(MINENT, **parts)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('config', ['adain/adain_toystreets.py', 'studies/camvid.py'])
def test_a_config_without_network_and_pair_is_refused(config):
    with pytest.raises(
        InputError, match=rf'{config}: has no base config _base_/NETWORK_PAIR'
    ):
        open_config(CONFIGS / config, network='segformer_b0')


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        (None, 'no such config file'),
        ('model = dict(', 'not a config'),
        ("_base_ = './none.py'", r'none\.py: no such config'),
    ],
)
def test_a_broken_config(tmp_path, text, said):
    path = tmp_path / 'mine.py'
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=said):
        open_config(path, network='segformer_b0')


@pytest.mark.parametrize('key', ['model', 'iterations', 'param_scheduler'])
def test_a_network_must_be_whole(tmp_path, key):
    settings = of('networks', 'deeplabv2_r18').to_dict()
    del settings[key]
    path = tmp_path / 'mine.py'
    path.write_text(''.join(f'{k} = {v!r}\n' for k, v in settings.items()))
    with pytest.raises(InputError, match=rf'mine\.py: sets no {key}'):
        open_config(MINENT, network=str(path))


def test_parts_that_set_the_same_are_refused(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        (BASES / 'networks/segformer_b0.py').read_text() + 'test_cfg = {}\n'
    )
    with pytest.raises(InputError, match='does not fit network mine and pair toystr'):
        open_config(MINENT, network=str(path))


@pytest.mark.parametrize('folder', ['datasets/gta2city', 'schedules/poly_120k'])
def test_a_config_of_older_parts_hears_where_they_are_now(tmp_path, folder):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = '{BASES}/{folder}.py'\n")
    with pytest.raises(InputError, match=r'no such config file; .*_base_/networks'):
        open_config(path)


def test_runs_of_other_parts_have_other_names():
    variant = 'cfcontra/deeplabv2_r101_gta2city_authors.py'
    ablation = 'ablation/toystreets_2_minent_style.py'
    names = [
        run_name(CONFIGS / path, network, pair)
        for path, network, pair in [
            (variant, None, None),
            (variant, 'deeplabv2_r101', 'gta2city'),
            (variant, 'segformer_b0', None),
            (variant, None, 'toystreets'),
            (ablation, 'segformer_b0', 'gta2city'),
        ]
    ]
    assert names == [
        'deeplabv2_r101_gta2city_authors',
        'deeplabv2_r101_gta2city_authors',
        'segformer_b0_gta2city_authors',
        'deeplabv2_r101_toystreets_authors',
        'toystreets_2_minent_style_segformer_b0_gta2city',
    ]


def test_a_network_of_ones_own_has_a_folder_of_its_own(tmp_path):
    names = set()
    for folder in ('one', 'two'):
        (tmp_path / folder).mkdir()
        network = tmp_path / folder / 'deeplabv2_r18.py'
        network.write_text(f"_base_ = '{BASES}/networks/deeplabv2_r18.py'\n")
        names.add(run_name(MINENT, str(network), None))
    assert len(names) == 2
    assert all(name.startswith('deeplabv2_r18_toystreets_') for name in names)


def ends(schedulers):
    return [(scheduler['begin'], scheduler['end']) for scheduler in schedulers]


def test_schedulers_are_stretched_in_proportion():
    schedulers = [WARM_UP, DECAY]
    assert stretch(schedulers, 1.0) == schedulers
    assert ends(stretch(schedulers, 0.01)) == [(0, 15), (15, 400)]
    assert ends(stretch(schedulers, 2.0)) == [(0, 3000), (3000, 80000)]
    assert WARM_UP['end'] == 1500


@pytest.mark.parametrize('iterations', [1, 2, 4, 10])
def test_the_shortest_training_still_gets_to_the_full_rate(iterations):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    wrapper = OptimWrapper(optimizer)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(cfg, optimizer=wrapper))
        for cfg in stretch([WARM_UP, DECAY], iterations / 40000)
    ]
    rates = []
    for _ in range(3):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert rates[0] == pytest.approx(1e-6)
    assert max(rates[1:]) == pytest.approx(1.0)


def test_the_page_describes_every_network():
    page = (CONFIGS.parent / 'docs' / 'networks.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| `(\w+)` \| ([\d.]+) M \|', page, re.M)
    assert sorted(name for name, _ in rows) == NETWORKS
    for name, millions in rows:
        model = of('networks', name).model
        count = sum(parameter.numel() for parameter in MODELS.build(model).parameters())
        assert round(count / 1e6, 1) == float(millions), name
