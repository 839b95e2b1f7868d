"""What the rows of a table must share."""

import copy

import pytest

from cfcontra_mm.benchmark.results import Result
from cfcontra_mm.benchmark.results.alike import differences, grouped

SETTINGS = {
    'model': {'type': 'MinEnt', 'backbone': {'depth': 18}, 'auxiliary_head': {'a': 1}},
    'train_cfg': {'type': 'IterBasedTrainLoop', 'max_iters': 400},
    'val_dataloader': {'num_workers': 1, 'dataset': {'data_root': 'a'}},
    'test_dataloader': {'num_workers': 1, 'dataset': {'data_root': 'a'}},
    'test_evaluator': [{'type': 'DomainIoUMetric'}],
    'train_dataloader': {
        'batch_size': 4,
        'sampler': {'per_domain': {'source': 2, 'target': 2}},
        'dataset': {'source': {'data_root': 's'}, 'target': {'data_root': 't'}},
    },
    'optim_wrapper': {'type': 'OptimWrapper', 'optimizer': {'type': 'AdamW'}},
    'param_scheduler': [{'type': 'PolyLR'}],
    'default_hooks': {'statistics': {'statistics': 'target', 'num_images': 200}},
}
LINE = {
    'metrics': {'mIoU': 30.0, 'statistics/images': 200},
    'git': {'commit': 'c0ffee', 'dirty': False},
    'environment': {
        **{'torch': '2.6', 'mmengine': '0.10', 'mmseg': '1.4'},
        **{'cpu': 'EPYC', 'device': 'H100'},
    },
    'max_iters': 400,
    'shared_sources': 'd' * 64,
    'resolved_config': SETTINGS,
}


def results(change=lambda line: None, rows=('MinEnt',), seeds=(0, 1)):
    """Three rows with two seeds; some of their lines are changed."""
    found = {}
    for row in ('source-only', 'MinEnt', 'DACS'):
        for seed in (0, 1):
            line = copy.deepcopy(LINE)
            if row in rows and seed in seeds:
                change(line)
            found[row, seed] = Result('done', line=line)
    return found


def setting(path, value):
    def change(line):
        *parents, last = path.split('.')
        inner = line
        for name in parents:
            inner = inner[name]
        inner[last] = value

    return change


def test_rows_that_were_made_alike_may_be_compared():
    assert differences(results()) == []
    assert differences({}) == []


@pytest.mark.parametrize(
    'change',
    [
        setting('resolved_config.model.type', 'CLAN'),
        setting('resolved_config.model.loss_entropy', {'loss_weight': 1}),
        # A single-level variant.
        setting('resolved_config.model.auxiliary_head', None),
        setting('resolved_config.optim_wrapper.discriminator', {'type': 'Adam'}),
        setting('resolved_config.optim_wrapper.constructor', 'Joint'),
        setting('resolved_config.train_dataloader.batch_size', 5),
        setting('resolved_config.default_hooks.statistics.statistics', 'running'),
        setting('resolved_config.custom_hooks', [{'type': 'MemoryBankHook'}]),
        # Translated, or for the oracle the labelled target.
        setting('resolved_config.train_dataloader.dataset.source', {'data_root': 'u'}),
        # Results do not depend on it.
        setting('resolved_config.val_dataloader.num_workers', 4),
        setting('environment.device', 'another device'),
        setting('git.commit', 'abc'),
        # The caption tells of the treatment of each row.
        setting('metrics', {'mIoU': 20.0, 'statistics/images': 0}),
        setting('metrics', {'mIoU': 20.0}),
    ],
)
def test_what_is_a_rows_own_may_differ(change):
    assert differences(results(change)) == []


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (setting('shared_sources', 'e' * 64), 'shared sources: variant 1 (source-only'),
        (
            setting('max_iters', 800),
            'iterations: 400 (source-only, DACS), 800 (MinEnt)',
        ),
        (
            setting('environment.torch', '2.7'),
            'torch: 2.6 (source-only, DACS), 2.7 (Mi',
        ),
        (setting('environment.mmseg', None), 'mmseg: 1.4 (source-only, DACS), not not'),
        (
            setting('metrics', {'mIoU': 3.0, 'statistics/images': 50}),
            'target images of the statistics: 200 (source-only, DACS), 50 (MinEnt)',
        ),
        (
            setting('resolved_config.test_dataloader.dataset.data_root', 'b'),
            'test_dataloader.dataset: {"data_root": "a"} (source-only, DACS), {"data',
        ),
        (setting('resolved_config.test_evaluator', []), 'test_evaluator: '),
        (setting('resolved_config.train_cfg', {}), 'train_cfg: '),
        (
            setting('resolved_config.train_dataloader.dataset.target', {}),
            'train_dataloader.dataset.target: ',
        ),
        (
            setting('resolved_config.train_dataloader.sampler.per_domain.target', 1),
            'per_domain.target: 2 (source-only, DACS), 1 (MinEnt)',
        ),
        (
            setting('resolved_config.train_dataloader.sampler.per_domain.source', 1),
            'source images of a step: 2 (source-only, DACS), 1 (MinEnt)',
        ),
        (setting('environment.mmengine', '0.9'), 'mmengine: 0.10 (source-only, D'),
        (setting('environment.device', 'EPYC'), 'device: GPU (source-only, DACS), CPU'),
        (setting('resolved_config.model.backbone.depth', 34), 'network: '),
        (setting('resolved_config.model.auxiliary_head', {'a': 2}), 'auxiliary head: '),
        (setting('resolved_config.optim_wrapper.type', 'AmpOptimW'), 'optimiser: '),
        (setting('resolved_config.optim_wrapper.optimizer.lr', 1.0), 'optimiser: '),
        (setting('resolved_config.param_scheduler', []), 'param_scheduler: '),
        (
            setting('resolved_config.default_hooks.statistics.num_images', 50),
            'default_hooks.statistics.num_images: 200 (source-only, DACS), 50 (M',
        ),
        (setting('git.dirty', True), 'sources that are not committed: MinEnt'),
        (setting('git', None), 'sources that are not committed: MinEnt'),
        (setting('git.commit', None), 'sources that are not committed: MinEnt'),
    ],
)
def test_what_rows_must_share_is_named_with_them(change, said):
    (found,) = differences(results(change))
    assert said in found


def few_labels(numbers, place='t'):
    def change(line):
        loader = line['resolved_config']['train_dataloader']
        loader['sampler']['per_domain']['source'] = numbers
        loader['dataset']['source'] = [{'data_root': 's'}, {'data_root': place}]

    return change


# In place of one of the source images, and beside them.
@pytest.mark.parametrize('numbers', [[1, 1], [2, 1]])
def test_labelled_target_images_may_stand_among_those_of_the_source(numbers):
    assert differences(results(few_labels(numbers))) == []


@pytest.mark.parametrize(
    ('numbers', 'place'), [([3, 1], 't'), ([1, 2], 't'), ([1, 1], 'another source')]
)
def test_no_other_number_of_source_images_is_accepted(numbers, place):
    (found,) = differences(results(few_labels(numbers, place)))
    assert found.startswith('source images of a step: 2 (source-only, DACS), ')


def test_seeds_of_a_row_are_tested_under_the_same_statistics():
    running = {'mIoU': 20.0, 'statistics/images': 0}
    found = differences(results(setting('metrics', running), seeds=(1,)))
    assert found == ['seeds of a row were tested under both statistics: MinEnt']


def test_a_seed_that_differs_is_named():
    (found,) = differences(results(setting('max_iters', 800), seeds=(1,)))
    assert found == (
        'iterations: 400 (source-only, MinEnt seed 0, DACS), 800 (MinEnt seed 1)'
    )


def test_what_no_row_has_noted_is_not_known_to_be_alike():
    everyone = ('source-only', 'MinEnt', 'DACS')
    found = differences(results(setting('shared_sources', None), everyone))
    assert found == ['shared sources: not noted (all rows)']


def test_runs_that_failed_are_ignored():
    found = results() | {('CLAN', 0): Result('failed', line={'error': 'e'})}
    assert differences(found) == []


def test_the_order_of_settings_is_no_difference():
    turned = dict(reversed(SETTINGS['train_cfg'].items()))
    assert differences(results(setting('resolved_config.train_cfg', turned))) == []


def test_rows_are_grouped_and_seeds_where_they_differ():
    found = {'a': {0: 1, 1: 1}, 'b': {0: 1, 1: 2}}
    assert grouped(found) == {1: ['a', 'b seed 0'], 2: ['b seed 1']}
