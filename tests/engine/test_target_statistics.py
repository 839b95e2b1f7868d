"""Under which statistics a network is validated, tested, saved and given away."""

import copy
import json
import shutil
from types import SimpleNamespace

import mmengine
import numpy as np
import pytest
import torch
from helpers import case_of
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

from cfcontra_mm.contract.jobs import training_config
from cfcontra_mm.engine.checkpoints import load_segmentor
from cfcontra_mm.engine.launch import test as measure
from cfcontra_mm.engine.statistics import (
    StatisticsHook,
    described,
    target_images,
)
from cfcontra_mm.engine.training_log import read_entries
from cfcontra_mm.errors import InputError

pytestmark = pytest.mark.slow
OF_TARGET = {'default_hooks.statistics.num_images': 4}
RUNNING = {'default_hooks.statistics.statistics': 'running'}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    # It takes longer than the training.
    monkeypatch.setattr(mmengine.runner.runner, 'collect_env', dict)


def config(root, work_dir, **options):
    return training_config(
        case_of('minent'), str(root), str(work_dir), OF_TARGET | options
    )


@pytest.fixture(scope='module')
def trained(toystreets, tmp_path_factory):
    """A training that is validated after every second iteration."""
    work_dir = tmp_path_factory.mktemp('trained')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmengine.runner.runner, 'collect_env', dict)
        cfg = config(toystreets, work_dir, **{'train_cfg.val_interval': 2})
        Runner.from_cfg(cfg).train()
    # Later trainings of this process log to the same file.
    shutil.copytree(next(work_dir.glob('2*')), work_dir / '20000101_000000')
    return work_dir


@pytest.fixture
def checkpoint(trained):
    return torch.load(trained / 'iter_4.pth', weights_only=False)


def slow_statistics(cfg, state, indices):
    """Mean and unbiased variance that every layer sees in batches of four images."""
    model = MODELS.build(copy.deepcopy(cfg.model))
    model.load_state_dict(state)
    target = DATASETS.build(copy.deepcopy(cfg.train_dataloader.dataset.target))
    seen = {}

    def note(name):
        def hook(module, inputs):
            seen.setdefault(name, []).append(inputs[0].double())

        return hook

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(note(name))
    model.train()
    with torch.no_grad():
        for start in range(0, len(indices), 4):
            data = pseudo_collate([target[i] for i in indices[start : start + 4]])
            inputs = model.data_preprocessor(data, training=False)['inputs']
            model.extract_feat(inputs)
    values = {k: torch.cat(v).transpose(0, 1).flatten(1) for k, v in seen.items()}
    return {
        **{f'{name}.running_mean': v.mean(1) for name, v in values.items()},
        **{f'{name}.running_var': v.var(1) for name, v in values.items()},
    }


def test_a_checkpoint_holds_the_statistics_of_target_images(
    trained, checkpoint, toystreets
):
    state, running = checkpoint['state_dict'], checkpoint['running_statistics']
    # Four of the five images, evenly spaced.
    cfg = config(toystreets, trained)
    expected = slow_statistics(cfg, state | running, [0, 1, 2, 3])
    assert running.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(state[name].double(), value, rtol=1e-4, atol=1e-5)
        assert not torch.equal(state[name], running[name])


def test_every_checkpoint_goes_on_from_its_running_statistics(
    trained, checkpoint, toystreets, tmp_path
):
    options = dict(load_from=str(trained / 'iter_2.pth'), resume=True)
    cfg = config(toystreets, tmp_path, **options)
    Runner.from_cfg(cfg).train()
    resumed = torch.load(tmp_path / 'iter_4.pth', weights_only=False)
    for part in ('state_dict', 'running_statistics'):
        assert resumed[part].keys() == checkpoint[part].keys()
        for name, value in checkpoint[part].items():
            assert torch.equal(resumed[part][name], value), name


def test_the_treatment_does_not_change_the_training(
    trained, checkpoint, toystreets, tmp_path
):
    Runner.from_cfg(config(toystreets, tmp_path, **RUNNING)).train()
    plain = torch.load(tmp_path / 'iter_4.pth', weights_only=False)
    assert 'running_statistics' not in plain
    state = checkpoint['state_dict'] | checkpoint['running_statistics']
    assert all(torch.equal(plain['state_dict'][k], v) for k, v in state.items())


def metrics_of(work_dir):
    (file,) = work_dir.glob('*/*.json')
    return json.loads(file.read_text())


def ious(metrics, prefix=''):
    return {
        name.removeprefix(prefix): value
        for name, value in metrics.items()
        if name.startswith((f'{prefix}IoU.', f'{prefix}mIoU'))
    }


def run_test(root, checkpoint, work_dir, statistics, **options):
    cfg = config(root, work_dir, **options)
    out = str(work_dir / 'predictions')
    measure(cfg, str(checkpoint), out, None, False, statistics)
    return metrics_of(work_dir)


@pytest.fixture(scope='module')
def both(trained, toystreets, tmp_path_factory):
    """Figures of the last checkpoint under both statistics, and their folder."""
    work_dir = tmp_path_factory.mktemp('both')
    return run_test(toystreets, trained / 'iter_4.pth', work_dir, 'both'), work_dir


def test_a_test_gives_the_figures_of_the_validation(trained, both):
    (entry,) = (
        entry
        for entry in read_entries(trained / '20000101_000000/vis_data/scalars.json')
        if entry['step'] == 4 and 'mIoU' in entry
    )
    assert ious(both[0]) == pytest.approx(ious(entry), nan_ok=True)
    assert both[0]['statistics/images'] == 4
    assert both[0]['statistics/layers'] > 5


def test_a_study_measures_under_both_statistics(trained, both, toystreets, tmp_path):
    figures, work_dir = both
    alone = run_test(toystreets, trained / 'iter_4.pth', tmp_path, 'running')
    assert alone['statistics/images'] == 0
    other = ious(figures, 'running_statistics/')
    assert other == pytest.approx(ious(alone), nan_ok=True)
    assert other != pytest.approx(ious(figures), nan_ok=True)
    counts = work_dir / 'predictions' / 'per_image_running_statistics.npz'
    with (
        np.load(counts) as found,
        np.load(tmp_path / 'predictions' / 'per_image.npz') as expected,
    ):
        for name in ('names', 'intersection', 'union'):
            assert np.array_equal(found[name], expected[name])


def test_the_other_way_round(trained, both, toystreets, tmp_path):
    figures = run_test(toystreets, trained / 'iter_4.pth', tmp_path, 'both', **RUNNING)
    assert ious(figures, 'target_statistics/') == pytest.approx(
        ious(both[0]), nan_ok=True
    )
    assert ious(figures) == pytest.approx(
        ious(both[0], 'running_statistics/'), nan_ok=True
    )


def test_what_was_tested_is_what_a_user_gets(trained, checkpoint):
    own = load_segmentor(trained / 'iter_4.pth').state_dict()
    for name, value in checkpoint['state_dict'].items():
        if 'running' in name:
            assert torch.equal(own[name].cpu(), value)


def test_all_methods_see_the_same_images(toystreets, tmp_path):
    names = set()
    for method in ('minent', 'cfcontra', 'oracle', 'adabn'):
        cfg = training_config(case_of(method), str(toystreets), str(tmp_path), {})
        (dataset,) = target_images(cfg).datasets
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        assert not any('seg_map_path' in info for info in infos)
        names.add(tuple(info['img_path'] for info in infos))
    assert len(names) == 1


@pytest.mark.parametrize('absent', ['target', 'test_pipeline'])
def test_without_target_images_it_is_refused_at_the_start(toystreets, tmp_path, absent):
    cfg = config(toystreets, tmp_path)
    if absent == 'target':
        cfg.train_dataloader.dataset.pop('target')
        cfg.train_dataloader.batch_size = 2
        cfg.train_dataloader.sampler.per_domain = dict(source=2, _delete_=True)
        cfg.train_dataloader.sampler.per_domain.pop('_delete_')
        cfg.model.update(type='SourceOnly')
        cfg.model.pop('loss_entropy')
    else:
        cfg.pop('test_pipeline')
    with pytest.raises(
        InputError, match=f'need .*{absent}; set it in .*, or .*=running'
    ):
        Runner.from_cfg(cfg).train()
    assert not list(tmp_path.glob('*.pth'))


def test_a_network_without_batch_normalisation_is_left_as_it_is(toystreets, tmp_path):
    cfg = config(toystreets, tmp_path)
    cfg.model.backbone.norm_cfg = dict(type='GN', num_groups=2)
    Runner.from_cfg(cfg).train()
    saved = torch.load(tmp_path / 'iter_4.pth', weights_only=False)
    assert not saved['running_statistics']
    shutil.rmtree(next(tmp_path.glob('2*')))
    measure(cfg, str(tmp_path / 'iter_4.pth'), None, None, False, 'both')
    figures = metrics_of(tmp_path)
    assert (figures['statistics/layers'], figures['statistics/images']) == (0, 0)
    assert not any('statistics/mIoU' in name for name in figures)


def test_the_words():
    assert described(20, 100) == 'statistics of 100 target training images'
    assert described(20, 0) == 'the running statistics of the training'
    assert 'no batch normalisation' in described(0, 0)


def test_the_best_checkpoint_keeps_its_running_statistics_too(
    trained, toystreets, tmp_path
):
    options = {'default_hooks.checkpoint.save_best': 'mIoU'}
    Runner.from_cfg(config(toystreets, tmp_path, **options)).train()
    (best,) = (torch.load(p, weights_only=False) for p in tmp_path.glob('best_*.pth'))
    last = torch.load(tmp_path / 'iter_4.pth', weights_only=False)
    for part in ('state_dict', 'running_statistics'):
        assert best[part].keys() == last[part].keys()
        assert all(torch.equal(best[part][k], v) for k, v in last[part].items())


def test_a_resume_without_the_hook_goes_on_from_the_running_statistics(
    trained, checkpoint, toystreets, tmp_path
):
    options = dict(load_from=str(trained / 'iter_2.pth'), resume=True)
    cfg = config(toystreets, tmp_path, **options)
    cfg.default_hooks.pop('statistics')
    Runner.from_cfg(cfg).train()
    resumed = torch.load(tmp_path / 'iter_4.pth', weights_only=False)['state_dict']
    expected = checkpoint['state_dict'] | checkpoint['running_statistics']
    assert all(torch.equal(resumed[name], value) for name, value in expected.items())


@pytest.mark.parametrize('wrong', ['text', dict(a='text'), [1]])
def test_damaged_running_statistics_are_refused(checkpoint, tmp_path, wrong):
    path = tmp_path / 'iter_4.pth'
    torch.save(checkpoint | dict(running_statistics=wrong), path)
    with pytest.raises(InputError, match='running_statistics is no dict of tensors'):
        load_segmentor(path)


@pytest.mark.parametrize('statistics', [None, 'running', 'target', 'both'])
@pytest.mark.parametrize('hooks', ['other', 'none', 'absent'])
def test_a_config_without_the_hook_can_be_tested(
    trained, toystreets, tmp_path, statistics, hooks
):
    cfg = config(toystreets, tmp_path)
    if hooks == 'other':
        cfg.default_hooks.pop('statistics')
    elif hooks == 'none':
        cfg.default_hooks.statistics = None
    else:
        cfg.pop('default_hooks')
    measure(cfg, str(trained / 'iter_4.pth'), None, None, False, statistics)
    figures = metrics_of(tmp_path)
    assert figures['statistics/images'] == (5 if statistics == 'target' else 0)
    assert ('target_statistics/mIoU' in figures) == (statistics == 'both')


def test_averaged_weights_are_refused(toystreets, tmp_path):
    cfg = config(toystreets, tmp_path)
    cfg.custom_hooks = [dict(type='EMAHook')]
    with pytest.raises(InputError, match=r'EMAHook; remove it, or set .*=running'):
        Runner.from_cfg(cfg).train()


def test_a_damaged_target_image_does_not_lose_the_weights(toystreets, tmp_path):
    root = tmp_path / 'pair'
    shutil.copytree(toystreets, root, symlinks=True)
    runner = Runner.from_cfg(config(root, tmp_path / 'run'))
    iterations = []

    class Damage(Hook):
        def before_train_iter(self, runner, *args, **kwargs):
            iterations.append(runner.iter)
            if runner.iter == 1:
                for image in root.glob('cityscapes/leftImg8bit/train/*/*.png'):
                    image.write_bytes(b'')

    runner.register_hook(Damage())
    with pytest.raises(InputError, match='png'):
        runner.train()
    assert 'running_statistics' not in torch.load(
        tmp_path / 'run' / f'iter_{2 * ((iterations[-1] + 1) // 2)}.pth',
        weights_only=False,
    )


def test_the_images_stay_the_same_through_a_training(toystreets, tmp_path):
    root = tmp_path / 'pair'
    shutil.copytree(toystreets, root, symlinks=True)
    runner = Runner.from_cfg(config(root, tmp_path / 'run'))
    (hook,) = (h for h in runner.hooks if isinstance(h, StatisticsHook))
    hook.before_train(runner)
    first = [len(batch['inputs']) for batch in hook._batches(runner)]
    extra = next(root.glob('cityscapes/leftImg8bit/train/*/*.png'))
    shutil.copy(extra, extra.with_name('zz_000000_000019_leftImg8bit.png'))
    assert [len(batch['inputs']) for batch in hook._batches(runner)] == first == [4]


@pytest.mark.parametrize(
    ('images', 'wanted', 'sizes'), [(5, 5, [3, 2]), (9, 9, [3, 3, 3]), (1, 4, [1])]
)
def test_few_batches_hold_one_image(images, wanted, sizes):
    hook = StatisticsHook('target', wanted)
    hook._images = [
        dict(inputs=torch.zeros(3, 2, 2), data_samples=index) for index in range(images)
    ]
    runner = SimpleNamespace(cfg=Config(dict(train_dataloader=dict(num_workers=0))))
    found = [batch['data_samples'] for batch in hook._batches(runner)]
    assert [len(batch) for batch in found] == sizes
    assert [index for batch in found for index in batch] == list(range(images))


def test_images_of_several_sizes_are_normalised_apart():
    hook = StatisticsHook('target', 4)
    shapes = [(3, 2, 2), (3, 2, 4), (3, 2, 2), (3, 2, 4)]
    hook._images = [
        dict(inputs=torch.zeros(shape), data_samples=index)
        for index, shape in enumerate(shapes)
    ]
    runner = SimpleNamespace(cfg=Config(dict(train_dataloader=dict(num_workers=0))))
    found = [batch['data_samples'] for batch in hook._batches(runner)]
    assert found == [[0, 2], [1, 3]]
