import copy
import random

import numpy as np
import pytest
import torch
from helpers import build_method, case_of, grid_place
from mmengine.runner import Runner

from cfcontra_mm.contract.jobs import training_config
from cfcontra_mm.engine import MemoryBankHook, ValidationRandomStateHook

IGNORE = 255


class Training:
    """As much of a runner as the hooks look at, on a tiny ToyStreets pair."""

    def __init__(self, root, batch=2, **changes):
        cfg = training_config(case_of('cfcontra'), str(root), 'none', {})
        cfg.model.threshold = 0.01
        cfg.model.backbone.update(changes)
        cfg.train_dataloader.batch_size = 2 * batch
        cfg.train_dataloader.sampler.per_domain = dict(source=batch, target=batch)
        self.seed = 3
        self.train_dataloader = Runner.build_dataloader(cfg.train_dataloader, self.seed)
        self.model = build_method(cfg.model)

    @property
    def bank(self):
        return self.model.class_centers

    @property
    def ranges(self):
        return self.train_dataloader.dataset.domain_ranges


@pytest.fixture
def still(toystreets):
    """A training whose features do not depend on the rest of the batch."""
    return Training(toystreets, batch=1, norm_eval=True)


def features(runner, index):
    """Remapped features of an image, (D, h, w), as the network starts."""
    sample = runner.train_dataloader.dataset[index]
    data = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
    domain = sample['data_samples'].domain
    batch = runner.model.data_preprocessor(data, training=True)[domain]
    with torch.no_grad():
        deep = runner.model.extract_feat(batch['inputs'])[-1]
        return runner.model.projection_head(deep)[0].double(), sample['data_samples']


def slow_means(images):
    """Mean feature of each class over (features, label of each place) in float64."""
    sums, counts = [0] * 19, [0] * 19
    for maps, labels in images:
        for y in range(maps.shape[1]):
            for x in range(maps.shape[2]):
                if labels[y][x] != IGNORE:
                    sums[labels[y][x]] = sums[labels[y][x]] + maps[:, y, x]
                    counts[labels[y][x]] += 1
    return [s / c if c else None for s, c in zip(sums, counts, strict=True)]


def source_image(runner, index):
    maps, sample = features(runner, index)
    labels = sample.gt_sem_seg.data[0]
    (height, width), (h, w) = labels.shape, maps.shape[1:]
    return maps, [
        [
            int(labels[grid_place(y, h, height), grid_place(x, w, width)])
            for x in range(w)
        ]
        for y in range(h)
    ]


def target_image(runner, index, centers):
    maps, _ = features(runner, index)
    labels = []
    for row in maps.permute(1, 2, 0):
        labels.append([])
        for feature in row:
            near = sorted(
                ((feature / feature.norm() - c / c.norm()).norm().item(), k)
                for k, c in enumerate(centers)
                if c is not None
            )
            sure = near[1][0] - near[0][0] > 0.01
            labels[-1].append(near[0][1] if sure else IGNORE)
    return maps, labels


def check(found, seen, expected):
    assert seen.tolist() == [center is not None for center in expected]
    for k, center in enumerate(expected):
        center = torch.zeros(found.shape[1]).double() if center is None else center
        torch.testing.assert_close(found[k].double(), center, rtol=1e-4, atol=1e-5)


def test_first_centers_are_the_means_over_the_data(still):
    MemoryBankHook(max_images=100).before_train(still)
    still.model.train()
    source = slow_means([source_image(still, i) for i in still.ranges['source']])
    assert sum(center is not None for center in source) > 8
    check(*still.bank.of('source'), source)
    target = slow_means(
        [target_image(still, i, source) for i in still.ranges['target']]
    )
    assert sum(center is not None for center in target) > 2
    check(*still.bank.of('target'), target)
    assert not still.bank.counts.any()


def test_the_limit_on_images(still, monkeypatch):
    seen = {'source': [], 'target': []}
    accumulate = type(still.model).accumulate_centers

    def spy(self, domain, inputs):
        seen[domain] += [sample.img_path for sample in inputs.data_samples]
        return accumulate(self, domain, inputs)

    monkeypatch.setattr(type(still.model), 'accumulate_centers', spy)
    MemoryBankHook(max_images=3).before_train(still)
    assert [len(set(paths)) for paths in seen.values()] == [3, 3]
    for paths in seen.values():
        paths.clear()
    still.bank.initialized.fill_(False)
    MemoryBankHook(max_images=100).before_train(still)
    # Every image, and none twice.
    assert [(len(paths), len(set(paths))) for paths in seen.values()] == [
        (4, 4),
        (5, 5),
    ]


@pytest.mark.parametrize('name', ['initialized', 'saved'])
def test_centers_that_are_there_are_kept(toystreets, name):
    runner = Training(toystreets)
    if name == 'initialized':
        runner.bank.centers.fill_(7)
        runner.bank.initialized[0, 3] = True
    else:
        MemoryBankHook(max_images=2).before_train(runner)
        state = copy.deepcopy(runner.model.state_dict())
        runner = Training(toystreets)
        runner.model.load_state_dict(state)
    before = copy.deepcopy(runner.bank.state_dict())
    MemoryBankHook(max_images=2).before_train(runner)
    assert all(torch.equal(v, before[k]) for k, v in runner.bank.state_dict().items())


def random_state():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()


def test_the_first_pass_moves_nothing_but_the_centers(toystreets):
    runner = Training(toystreets)
    runner.model(torch.randn(2, 3, 32, 64))
    weights = copy.deepcopy(runner.model.state_dict())
    assert weights['backbone.bn1.num_batches_tracked'] == 1
    python, numpy, pytorch = random_state()
    MemoryBankHook(max_images=4).before_train(runner)
    after = runner.model.state_dict()
    changed = {k for k, v in after.items() if not torch.equal(v, weights[k])}
    assert changed == {'class_centers.centers', 'class_centers.initialized'}
    assert random_state()[:2] == (python, numpy)
    assert torch.equal(torch.get_rng_state(), pytorch)
    assert all(p.grad is None for p in runner.model.parameters())
    first = next(iter(runner.train_dataloader))
    again = next(iter(Training(toystreets).train_dataloader))
    for a, b in zip(first['inputs'], again['inputs'], strict=True):
        assert torch.equal(a, b)


def test_the_first_pass_normalises_as_training_does(toystreets):
    runner = Training(toystreets, batch=2)
    modes = []
    runner.model.backbone.bn1.register_forward_hook(
        lambda module, *_: modes.append(module.training)
    )
    runner.model.eval()
    MemoryBankHook(max_images=2).before_train(runner)
    assert modes == [True, True]


def test_centers_move_after_each_iteration(toystreets):
    runner = Training(toystreets)
    runner.bank.accumulate('source', torch.ones(3, 64), torch.tensor([1, 1, 4]))
    MemoryBankHook(max_images=2).after_train_iter(runner, 0, data_batch={}, outputs={})
    assert runner.bank.of('source')[1].nonzero().flatten().tolist() == [1, 4]
    assert not runner.bank.counts.any()


def test_validation_leaves_the_random_state():
    hook = ValidationRandomStateHook()
    python, numpy, pytorch = random_state()
    for _ in range(2):
        hook.before_val(None)
        random.random(), np.random.rand(3), torch.rand(3)
        assert random_state()[0] != python
        hook.after_val(None)
    assert random_state()[:2] == (python, numpy)
    assert torch.equal(torch.get_rng_state(), pytorch)
