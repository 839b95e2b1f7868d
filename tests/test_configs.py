"""All methods of a table run under one configuration but for the method itself."""

import ast

import pytest
from helpers import CONFIGS, TOYSTREETS, leaves, method_folders, registered_methods
from mmengine.config import Config

from cfcontra_mm.contract.cases import NETWORK_PARTS

FILES = [
    'deeplabv2_r101_gta2city.py',
    'deeplabv2_r101_synthia2city.py',
    'deeplabv2_r18_toystreets.py',
    'deeplabv2_r18_folders.py',
]
# The oracle is source-only, trained on labelled target images.
OWN_DATA = {'oracle': ('train_dataloader.dataset.source',)}
# So is source-only with some of them beside the source.
FEW_LABELS = sorted((CONFIGS / 'few_labels').glob('*.py'))
# CLAN's weight of the disagreement is published for each source.
OWN_WEIGHTS = {('clan', 'deeplabv2_r101_synthia2city.py'): dict(local_weight=10.0)}
OWN_KEYS = {'_base_', 'model'}


def own_settings(folder, file):
    """What the method of a config may set beside its model, by its own word."""
    kind = registered_methods()[resolved(folder, file).model.type]
    return (*kind.own_settings, *OWN_DATA.get(folder, ()))


def resolved(folder, file):
    return Config.fromfile(CONFIGS / folder / file)


def shared(folder, file):
    """Every setting that is not the method's, by its dotted path."""
    cfg = resolved(folder, file).to_dict()
    cfg.pop('method', None)
    method = cfg.pop('model')
    cfg['model'] = {key: method[key] for key in NETWORK_PARTS if key in method}
    return dict(leaves(cfg))


def settings(folder, file):
    """What the model of a method has beside the network."""
    model = resolved(folder, file).model.to_dict()
    return {key: value for key, value in model.items() if key not in NETWORK_PARTS}


def names_in_file(folder, file):
    statements = ast.parse((CONFIGS / folder / file).read_text()).body
    return {target.id for statement in statements for target in statement.targets}


def test_every_method_has_a_config():
    configured = {
        resolved(folder, file).model.type
        for file in FILES
        for folder in method_folders(file)
    }
    assert configured == set(registered_methods())


@pytest.mark.parametrize('file', FILES)
def test_the_tables_methods_have_the_config(file):
    folders = {path.parent.name for path in CONFIGS.glob('[!_]*/metafile.yml')}
    assert folders - {'adain'} <= set(method_folders(file))


@pytest.mark.parametrize('file', FILES)
def test_methods_differ_in_nothing_but_the_method(file):
    base = shared('minent', file)
    assert len(base) > 100
    for folder in method_folders(file):
        found, own = shared(folder, file), own_settings(folder, file)
        different = {
            path: (base.get(path), found.get(path))
            for path in base.keys() | found.keys()
            if base.get(path, ...) != found.get(path, ...)
            and not path.startswith(own or '\0')
        }
        assert different == {}, folder


@pytest.mark.parametrize('file', FILES)
def test_a_methods_file_sets_only_what_is_the_methods(file):
    for folder in method_folders(file):
        own = {path.split('.')[0] for path in own_settings(folder, file)}
        assert names_in_file(folder, file) <= OWN_KEYS | own, folder


@pytest.mark.parametrize('file', FILES)
def test_a_method_has_the_same_settings_on_every_pair(file):
    for folder in method_folders(file):
        own = OWN_WEIGHTS.get((folder, file), {})
        assert settings(folder, file) == settings(folder, TOYSTREETS) | own, folder


@pytest.mark.parametrize('file', FILES)
def test_all_discriminators_have_the_same_optimiser(file):
    found = [
        resolved(folder, file).optim_wrapper.discriminator
        for folder in method_folders(file)
        if 'optim_wrapper.discriminator' in own_settings(folder, file)
    ]
    assert len(found) >= 3
    adam = dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))
    assert all(cfg.to_dict() == dict(optimizer=adam) for cfg in found)


@pytest.mark.parametrize('file', FILES)
def test_the_method_is_what_sets_the_rows_apart(file):
    types = {
        folder: resolved(folder, file).model.type for folder in method_folders(file)
    }
    assert types['source_only'] == 'SourceOnly'
    if 'oracle' in types:
        assert types.pop('oracle') == 'SourceOnly'
    assert len(set(types.values())) == len(types)


@pytest.mark.parametrize('file', FILES[:3])
def test_the_oracle_learns_from_the_targets_own_images(file):
    data = resolved('oracle', file).train_dataloader.dataset
    source, target = data.source, data.target
    assert (source.type, source.data_root) == (target.type, target.data_root)
    assert source.data_prefix.img_path == target.data_prefix.img_path
    assert 'train' in source.data_prefix.seg_map_path
    assert 'seg_map_path' not in target.data_prefix


def plain_of(path):
    """The file name without the share of the labelled images, and their number."""
    name, number = path.stem.split('_1-')
    return f'{name}.py', int(number)


def test_few_labels_stand_on_every_pair():
    names = {plain_of(path) for path in FEW_LABELS}
    assert names == {(file, number) for file in FILES for number in (4, 16)}


@pytest.mark.parametrize('path', FEW_LABELS, ids=lambda path: path.stem)
def test_few_labels_are_source_only_and_some_labelled_target_images(path):
    file, number = plain_of(path)
    plain, few = resolved('source_only', file), resolved('few_labels', path.name)
    source, labelled = few.train_dataloader.dataset.source
    assert source == plain.train_dataloader.dataset.source
    assert labelled == dict(
        resolved('oracle', file).train_dataloader.dataset.source
    ) | {'every': number}
    base, found = shared('source_only', file), shared('few_labels', path.name)
    own = ('train_dataloader.dataset.source', 'train_dataloader.sampler.per_domain.s')
    different = {k for k in base.keys() | found.keys() if base.get(k) != found.get(k)}
    assert {k for k in different if not k.startswith(own)} <= {
        'train_dataloader.batch_size',
        # Source-only alone is tested as its training left it.
        'default_hooks.statistics.statistics',
    }
    loader = few.train_dataloader
    assert loader.sampler.per_domain.source == [1, 1]
    assert loader.batch_size == 2 + loader.sampler.per_domain.target
    assert few.model == plain.model


@pytest.mark.parametrize('file', FILES)
def test_training_never_reads_validation_images(file):
    for folder in method_folders(file):
        cfg = resolved(folder, file)
        training = dict(leaves(cfg.train_dataloader.to_dict()))
        assert not any('val' in str(v) for k, v in training.items() if 'prefix' in k)
        assert 'DomainIoUMetric' in str(cfg.val_evaluator)


@pytest.mark.parametrize('file', FILES)
def test_validation_adds_the_scores_without_labels(file):
    cfg = resolved('cfcontra', file)
    assert cfg.val_evaluator == [*cfg.test_evaluator, dict(type='LabelFreeScores')]


@pytest.mark.parametrize('file', FILES)
def test_target_pipeline_reads_no_labels(file):
    for folder in method_folders(file):
        target = resolved(folder, file).train_dataloader.dataset.target
        types = [value for path, value in leaves(target.to_dict()) if 'type' in path]
        assert not any('Label' in name or 'Annotation' in name for name in types)


def test_every_config_resolves():
    paths = sorted(CONFIGS.rglob('*.py'))
    assert len(paths) > 20
    for path in paths:
        assert Config.fromfile(path).to_dict(), path


@pytest.mark.parametrize('file', FILES)
def test_a_config_survives_being_printed_into_a_checkpoint(file):
    cfg = resolved('cfcontra', file)
    assert Config.fromstring(cfg.pretty_text, '.py').to_dict() == cfg.to_dict()


def test_settings_of_the_published_recipe():
    cfg = resolved('cfcontra', 'deeplabv2_r101_gta2city.py')
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (
        2.5e-4,
        0.9,
        5e-4,
    )
    assert cfg.train_cfg.max_iters == 120_000
    assert cfg.param_scheduler[0].end == 250_000
    assert cfg.train_dataloader.sampler.per_domain == dict(source=1, target=1)
    model = cfg.model
    assert (model.threshold, model.momentum) == (0.05, 0.9)
    contrast = model.loss_contrast
    assert (contrast.temperature, contrast.loss_weight) == (0.07, 1e-3)
    entropy = {name: loss.loss_weight for name, loss in model.loss_entropy.items()}
    assert entropy == dict(decode=1e-3, aux=2e-4)
    assert model.auxiliary_head.loss_decode.loss_weight == 0.1
