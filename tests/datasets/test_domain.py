import itertools
import random
from collections import Counter
from unittest import mock

import numpy as np
import pytest
import torch
from mmseg.registry import DATA_SAMPLERS, DATASETS
from raw_files import (
    LOAD,
    LOAD_LABELLED,
    PACK,
    batches,
    source_cfg,
    target_cfg,
    write_cityscapes,
    write_gta5,
)

from cfcontra_mm.datasets import DomainDataset, DomainSampler, Draw, domain
from cfcontra_mm.datasets.domain import draw_for_images, seeded_as
from cfcontra_mm.errors import InputError

RANDOM = [
    dict(type='RandomCrop', crop_size=(3, 4)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
]


def sampler(dataset, rank=0, world_size=1, seed=7, **per_domain):
    per_domain = per_domain or dict(source=1, target=1)
    with mock.patch.object(domain, 'get_dist_info', return_value=(rank, world_size)):
        return DomainSampler(dataset, per_domain, seed=seed)


def draws(number, *args, **kwargs):
    return list(itertools.islice(sampler(*args, **kwargs), number))


def global_state():
    # NumPy's state is its key and how much of it is used up.
    _, key, position, *_ = np.random.get_state()
    numpy_state = key.tolist(), position
    return random.getstate(), numpy_state, torch.get_rng_state().tolist()


class TestDataset:
    def test_concatenates_and_tags(self, make_pair):
        dataset = make_pair(5, 3)
        assert dataset.domain_ranges == dict(source=range(5), target=range(5, 8))
        tags = [dataset[i]['data_samples'].domain for i in range(8)]
        assert tags == ['source'] * 5 + ['target'] * 3
        labelled = ['gt_sem_seg' in dataset[i]['data_samples'] for i in range(8)]
        assert labelled == [True] * 5 + [False] * 3
        assert dataset.metainfo['classes'][0] == 'road'

    @pytest.mark.parametrize('index', [-1, 8])
    def test_indices_out_of_range(self, make_pair, index):
        with pytest.raises(IndexError):
            make_pair(5, 3)[index]

    def test_several_sources(self, tmp_path):
        roots = [write_gta5(tmp_path / name, ['00001', '00002']) for name in 'ab']
        target = write_cityscapes(tmp_path, 'train', 1)
        sources = [source_cfg(root) for root in roots]
        dataset = DomainDataset(sources, DATASETS.build(target_cfg(target)))
        assert dataset.domain_ranges == dict(source=range(4), target=range(4, 5))
        assert dataset[3]['data_samples'].img_path == str(roots[1] / 'images/00002.png')
        parts = dict(source=[range(2), range(2, 4)], target=[range(4, 5)])
        assert dataset.part_ranges == parts

    def test_a_draw_fixes_all_randomness(self, make_pair):
        dataset = make_pair(augment=RANDOM)
        first = dataset[Draw(2, 11)]['inputs']
        random.random(), np.random.rand(), torch.rand(1)
        assert torch.equal(first, dataset[Draw(2, 11)]['inputs'])
        others = [dataset[Draw(2, count)]['inputs'] for count in range(8)]
        assert not all(torch.equal(first, other) for other in others)
        dataset.seed += 1
        others = [dataset[Draw(2, count)]['inputs'] for count in range(8, 16)]
        assert not all(torch.equal(first, other) for other in others)

    def test_a_sample_names_its_draw_and_step(self, make_pair):
        dataset = make_pair()
        assert 'draw' not in dataset[2]['data_samples']
        for count, draw in enumerate(draws(9, dataset, source=2, target=1)):
            meta = dataset[draw]['data_samples'].metainfo
            assert meta['draw'] == (7, draw.count)
            assert meta['step'] == count // 3

    @pytest.mark.parametrize('rank', [0, 1])
    def test_ranks_are_in_the_same_step(self, make_pair, rank):
        dataset = make_pair()
        for place, draw in enumerate(draws(9, dataset, rank, 2, source=2, target=1)):
            assert dataset[draw]['data_samples'].step == place // 3

    def test_what_is_drawn_for_an_image_follows_from_its_draw(self, make_pair):
        dataset = make_pair()
        found = []
        for before in range(2):
            random.random(), torch.rand(before)
            for count in (4, 5):
                with seeded_as(dataset[Draw(0, count)]['data_samples']):
                    found.append((random.random(), np.random.rand(), torch.rand(1)))
        sample = dataset[Draw(0, 4)]['data_samples']
        with seeded_as(sample, stream=1):
            assert random.random() != found[0][0]
        both = [sample, dataset[Draw(0, 5)]['data_samples']]
        drawn = draw_for_images(both, lambda: torch.rand(2))
        assert drawn.shape == (2, 2)
        with seeded_as(both[1]):
            assert torch.equal(drawn[1], torch.rand(2))
        first, second, again, _ = found
        assert first == again
        assert not {*first} & {*second}

    def test_random_state_is_restored(self, make_pair):
        dataset = make_pair(augment=RANDOM)
        before = global_state()
        dataset[Draw(2, 11)]
        assert global_state() == before
        dataset[2]
        assert global_state() != before

    def test_random_state_is_restored_after_an_error(self, make_pair, tmp_path):
        dataset = make_pair(augment=RANDOM)
        (tmp_path / 'gta5/images/00001.png').write_bytes(b'')
        before = global_state()
        with pytest.raises(InputError, match=r'00001\.png'):
            dataset[Draw(0, 11)]
        assert global_state() == before

    def test_classes_must_agree(self, tmp_path):
        source = write_gta5(tmp_path, ['00001'])
        target = write_cityscapes(tmp_path, 'train', 1)
        cfg = dict(target_cfg(target), metainfo=dict(classes=('car', 'road')))
        with pytest.raises(InputError, match='2 classes differ from the 19 of source'):
            DomainDataset(source_cfg(source), cfg)

    def test_nothing_given(self):
        with pytest.raises(InputError, match='give a source or a target'):
            DomainDataset()


NESTED = dict(type='RandomApply', transforms=[dict(type='LoadLabels')])
CHOICE = dict(type='RandomChoice', transforms=[[dict(type='LoadAnnotations')], []])
MAPPER = dict(
    type='KeyMapper', mapping=dict(img='img'), transforms=[dict(type='LoadLabels')]
)


class TestTargetLabels:
    @pytest.fixture
    def cfg(self, tmp_path):
        return target_cfg(write_cityscapes(tmp_path, 'train', 2))

    @pytest.mark.parametrize(
        'transform',
        [
            dict(type='LoadAnnotations'),
            dict(type='LoadLabels'),
            dict(type='LoadSYNTHIALabels'),
            dict(type='MapLabels', table='cityscapes'),
            dict(type='RandomCrop', crop_size=(3, 4), cat_max_ratio=0.75),
            dict(type='GenerateEdge'),
            NESTED,
            CHOICE,
            MAPPER,
            dict(type='RandomApply', transforms=[CHOICE]),
        ],
        ids=lambda cfg: cfg['type'],
    )
    def test_label_transforms_are_refused_when_built(self, cfg, transform):
        cfg['pipeline'] = [*LOAD, transform, *PACK]
        with pytest.raises(InputError, match=r'target\.pipeline: \w+ needs labels'):
            DomainDataset(target=cfg)

    def test_wrapped_target_is_searched_too(self, cfg):
        cfg['pipeline'] = [*LOAD, NESTED, *PACK]
        wrapped = dict(type='RepeatDataset', dataset=cfg, times=2)
        with pytest.raises(InputError, match='LoadLabels needs labels'):
            DomainDataset(target=wrapped)

    def test_the_same_transforms_serve_the_source(self, tmp_path):
        cfg = source_cfg(write_gta5(tmp_path, ['00001']))
        crop = dict(type='RandomCrop', crop_size=(3, 4), cat_max_ratio=0.75)
        cfg['pipeline'] = [*LOAD_LABELLED, crop, *PACK]
        assert DomainDataset(cfg)[0]['inputs'].shape == (3, 3, 4)

    def test_label_paths_are_refused(self, cfg):
        cfg['data_prefix'] = dict(cfg['data_prefix'], seg_map_path='gtFine/train')
        with pytest.raises(InputError, match='remove seg_map_path from'):
            DomainDataset(target=cfg)

    def test_labels_that_arrive_are_refused(self, cfg):
        def smuggle(results):
            return dict(results, gt_seg_map=np.zeros((6, 8), np.uint8))

        cfg['pipeline'] = [*LOAD, smuggle, *PACK]
        dataset = DomainDataset(target=cfg)
        with pytest.raises(InputError, match='carry labels'):
            dataset[0]

    def test_unknown_transforms_that_read_labels_are_named(self, cfg):
        cfg['pipeline'] = [*LOAD, lambda results: results['gt_seg_map'], *PACK]
        dataset = DomainDataset(target=cfg)
        with pytest.raises(InputError, match='a transform reads labels'):
            dataset[0]


class TestSampler:
    def test_fills_batches_in_proportion_source_first(self, make_pair):
        dataset = make_pair(5, 3)
        got = draws(12, dataset, target=1, source=2)
        tags = [dataset.domain_of(draw.index) for draw in got]
        assert tags == ['source', 'source', 'target'] * 4
        assert [draw.count for draw in got] == list(range(12))

    def test_each_epoch_of_a_domain_is_a_new_permutation(self, make_pair):
        got = draws(60, make_pair(5, 3))
        source = [draw.index for draw in got[0::2]]
        target = [draw.index for draw in got[1::2]]
        epochs = [tuple(source[i : i + 5]) for i in range(0, 30, 5)]
        assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
        assert len(set(epochs)) > 1
        epochs = [tuple(target[i : i + 3]) for i in range(0, 30, 3)]
        assert all(sorted(epoch) == [5, 6, 7] for epoch in epochs)
        assert len(set(epochs)) > 1

    def test_domains_are_independent(self, make_pair):
        both = draws(40, make_pair(5, 3))[1::2]
        alone = draws(20, make_pair(5, 3), target=1)
        assert [d.index for d in both] == [d.index for d in alone]

    def test_seed(self, make_pair):
        dataset = make_pair(5, 3)
        assert draws(20, dataset, seed=1) == draws(20, dataset, seed=1)
        assert draws(20, dataset, seed=1) != draws(20, dataset, seed=2)
        assert dataset.seed == 2

    @pytest.mark.parametrize('ranks', [2, 3])
    def test_ranks_share_what_one_rank_would_draw(self, make_pair, ranks):
        dataset, iterations = make_pair(5, 3), 9
        shards = [
            draws(3 * iterations, dataset, rank, ranks, source=2, target=1)
            for rank in range(ranks)
        ]
        one = draws(3 * ranks * iterations, dataset, source=2 * ranks, target=ranks)
        for i in range(iterations):
            shared = [d for shard in shards for d in shard[3 * i : 3 * (i + 1)]]
            assert Counter(shared) == Counter(one[3 * ranks * i : 3 * ranks * (i + 1)])
        counts = [draw.count for draw in one]
        assert sorted(counts) == list(range(len(one)))

    @pytest.mark.parametrize('skipped', [0, 1, 3, 4, 31, 300])
    def test_skip_equals_draining(self, make_pair, skipped):
        dataset = make_pair(5, 3)
        drained = draws(skipped + 20, dataset, source=2, target=1)[skipped:]
        skipping = sampler(dataset, source=2, target=1)
        skipping.skip(skipped)
        assert list(itertools.islice(skipping, 20)) == drained

    def test_skip_draws_no_permutation_it_does_not_use(self, make_pair):
        skipping = sampler(make_pair(5, 3))
        skipping.skip(10**12)
        with mock.patch.object(
            DomainSampler, '_epoch_order', autospec=True, return_value=np.arange(5)
        ) as order:
            next(iter(skipping))
        assert order.call_count == 1

    @pytest.fixture
    def two_sources(self, tmp_path):
        """Sources of 2 and 3 images, and a target of 1."""
        stems = ['00001', '00002', '00003']
        roots = [write_gta5(tmp_path / f'{n}', stems[:n]) for n in (2, 3)]
        target = target_cfg(write_cityscapes(tmp_path, 'train', 1))
        return DomainDataset([source_cfg(root) for root in roots], target)

    def test_sources_are_drawn_in_a_stated_proportion(self, two_sources):
        per_domain = dict(source=[1, 3], target=2)
        got = draws(60, two_sources, **per_domain)
        assert [draw.count for draw in got] == list(range(60))
        assert sampler(two_sources, **per_domain).per_domain == dict(source=4, target=2)
        first = [draw.index for draw in got if draw.index in range(2)]
        second = [draw.index for draw in got if draw.index in range(2, 5)]
        assert (len(first), len(second)) == (10, 30)
        assert all({*first[i : i + 2]} == {0, 1} for i in range(0, 10, 2))
        assert all({*second[i : i + 3]} == {2, 3, 4} for i in range(0, 30, 3))
        assert len({tuple(first[i : i + 2]) for i in range(0, 10, 2)}) == 2

    def test_ranks_share_a_proportion_too(self, two_sources):
        per_domain, doubled = dict(source=[1, 2]), dict(source=[2, 4])
        shards = [draws(30, two_sources, rank, 2, **per_domain) for rank in range(2)]
        one = draws(60, two_sources, **doubled)
        for i in range(10):
            shared = [d for shard in shards for d in shard[3 * i : 3 * (i + 1)]]
            assert Counter(shared) == Counter(one[6 * i : 6 * (i + 1)])

    def test_a_proportion_is_resumed(self, two_sources):
        drained = draws(40, two_sources, source=[1, 2], target=1)[17:]
        skipping = sampler(two_sources, source=[1, 2], target=1)
        skipping.skip(17)
        assert list(itertools.islice(skipping, 23)) == drained

    @pytest.mark.parametrize(
        ('source', 'message'),
        [
            ([1, 1, 1], r'per_domain\.source: 3 numbers for 2 data sets'),
            ([1, 0], r'per_domain\.source: must be at least 1, not \[1, 0\]'),
        ],
    )
    def test_a_proportion_of_other_data_sets_is_refused(
        self, two_sources, source, message
    ):
        with pytest.raises(InputError, match=message):
            DomainSampler(two_sources, dict(source=source), seed=0)

    @pytest.mark.parametrize(
        ('per_domain', 'message'),
        [
            (dict(sorce=1), "no domain 'sorce'"),
            (dict(source=0, target=1), r'per_domain\.source: must be at least 1'),
            (dict(), 'name at least one domain'),
            (dict(source='1', target=1), r'per_domain\.source: must be an integer'),
            (dict(source=0.5, target=1), r'per_domain\.source: must be an integer'),
        ],
    )
    def test_wrong_proportions(self, make_pair, per_domain, message):
        with pytest.raises(InputError, match=message):
            DomainSampler(make_pair(), per_domain, seed=0)

    def test_one_domain_only(self, tmp_path):
        dataset = DomainDataset(source_cfg(write_gta5(tmp_path, ['00001', '00002'])))
        indices = [draw.index for draw in draws(8, dataset, source=2)]
        assert all(
            sorted(indices[i : i + 2]) == [0, 1] for i in range(0, len(indices), 2)
        )
        with pytest.raises(InputError, match="no domain 'target'"):
            DomainSampler(dataset, dict(source=1, target=1), seed=0)


def test_batches_depend_on_neither_workers_nor_an_interruption(make_pair):
    dataset = make_pair(5, 3, RANDOM)
    alone = batches(dataset, workers=0)
    torch.manual_seed(99)
    assert all(map(torch.equal, alone, batches(dataset, workers=2)))
    resumed = batches(dataset, workers=1, number=2, skipped=2)
    assert all(map(torch.equal, alone[2:], resumed))


def test_registered():
    assert DATA_SAMPLERS.get('DomainSampler') is DomainSampler
    assert DATASETS.get('DomainDataset') is DomainDataset
