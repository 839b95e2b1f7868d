"""The features of a checkpoint, against the network run by hand."""

import numpy as np
import pytest
import torch
from helpers import (
    begin_centers,
    build_method,
    grid_place,
    random_batch,
    tiny_config,
)
from torch.nn.functional import normalize

from cfcontra_mm.analysis import features as module
from cfcontra_mm.analysis.features import (
    choose_pixels,
    collect_features,
    embed,
    most_common,
)
from cfcontra_mm.errors import InputError


def config(folder, toystreets):
    """A method's tiny network on tiny images."""
    cfg = tiny_config(folder)
    dataset = cfg.train_dataloader.dataset
    dataset.source.data_root = str(toystreets / 'gta5')
    dataset.target.data_root = str(toystreets / 'cityscapes')
    cfg.test_dataloader.dataset.data_root = str(toystreets / 'cityscapes')
    return cfg


def trained(cfg, path):
    """A checkpoint of the config, and its network."""
    model = build_method(cfg.model)
    begin_centers(model, random_batch(0))
    torch.save(dict(state_dict=model.state_dict()), path)
    return model.eval()


@pytest.fixture
def everything(monkeypatch):
    """Takes all pixels of all classes, in the order of the classes."""
    monkeypatch.setattr(module, 'PIXELS_PER_IMAGE', 10**6)
    monkeypatch.setattr(module, 'PIXELS', 10**6)
    monkeypatch.setattr(module, 'MOST_COMMON', 19)


def by_hand(model, dataset):
    """Unit features and labels of every pixel with a label."""
    rows, labels = [], []
    for index in range(len(dataset)):
        item = dataset[index]
        image = item['inputs'].float()[None]
        mean = model.data_preprocessor.mean[None]
        maps = model.backbone((image - mean) / model.data_preprocessor.std[None])[-1]
        if hasattr(model, 'projection_head'):
            maps = model.projection_head(maps)
        label = item['data_samples'].gt_sem_seg.data[0]
        (height, width), (h, w) = label.shape, maps.shape[2:]
        label = label[[grid_place(y, h, height) for y in range(h)]]
        label = label[:, [grid_place(x, w, width) for x in range(w)]]
        for y, x in (label != 255).nonzero().tolist():
            rows.append(normalize(maps[0, :, y, x], dim=0).detach().numpy())
            labels.append(int(label[y, x]))
    return np.stack(rows), np.array(labels)


def in_order(rows, labels):
    order = np.lexsort((*rows.T[:3].round(4), labels))
    return rows[order], labels[order]


@pytest.mark.parametrize('folder', ['source_only', 'cfcontra'])
@pytest.mark.usefixtures('everything')
def test_features_are_those_of_a_forward_pass(folder, toystreets, tmp_path):
    cfg = config(folder, toystreets)
    model = trained(cfg, tmp_path / 'a.pth')
    found = collect_features(cfg, str(tmp_path / 'a.pth'))
    names = module.open_test_set(cfg).metainfo['classes']
    shown = [names.index(name) for name in found.classes]
    for number, dataset in enumerate((module._source(cfg), module.open_test_set(cfg))):
        rows, labels = by_hand(model, dataset)
        keep = np.isin(labels, shown)
        expected, classes = in_order(rows[keep], labels[keep])
        here = found.domains == number
        labels = np.array(shown)[found.labels[here]]
        actual, given = in_order(found.pixels[here], labels)
        assert (given == classes).all()
        # Rows of one class as a set: equal sums of the rows and of their squares.
        for index in shown:
            a, b = actual[given == index], expected[classes == index]
            np.testing.assert_allclose(a.sum(0), b.sum(0), atol=1e-3)
            np.testing.assert_allclose((a**2).sum(0), (b**2).sum(0), atol=1e-3)


def test_centers_are_those_of_the_checkpoint(toystreets, tmp_path, capsys):
    cfg = config('cfcontra', toystreets)
    model = trained(cfg, tmp_path / 'a.pth')
    model.class_centers.initialized[1, 10] = False
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    found = collect_features(cfg, str(tmp_path / 'a.pth'), ['sky', 'road'])
    assert found.classes == ('sky', 'road')
    assert found.palette.tolist() == [[70, 130, 180], [128, 64, 128]]
    assert found.from_bank
    expected = normalize(model.class_centers.centers[:, [10, 0]], dim=2).numpy()
    expected[1, 0] = np.nan
    np.testing.assert_allclose(found.centers, expected, rtol=1e-5)
    assert (np.isnan(found.center_map) == np.isnan(expected[..., :2])).all()
    assert 'class centers' not in capsys.readouterr().err


def test_without_centers_the_means_are_shown_and_said(toystreets, tmp_path, capsys):
    cfg = config('source_only', toystreets)
    trained(cfg, tmp_path / 'a.pth')
    found = collect_features(cfg, str(tmp_path / 'a.pth'), ['road', 'sky'])
    assert not found.from_bank
    for domain, index in np.ndindex(2, 2):
        rows = found.pixels[(found.domains == domain) & (found.labels == index)]
        mean = rows.mean(axis=0)
        expected = mean / np.linalg.norm(mean)
        np.testing.assert_allclose(found.centers[domain, index], expected, atol=1e-5)
    # A logger of another test's run may write here too.
    lines = capsys.readouterr().err.splitlines()
    (note,) = [line for line in lines if line.startswith('note: ')]
    assert note.startswith(f'note: {tmp_path / "a.pth"} has no class centers')


def test_the_same_checkpoint_gives_the_same_map(toystreets, tmp_path):
    cfg = config('source_only', toystreets)
    trained(cfg, tmp_path / 'a.pth')
    first, second = (collect_features(cfg, str(tmp_path / 'a.pth')) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    np.testing.assert_array_equal(first.pixel_map, second.pixel_map)


def test_a_checkpoint_without_the_head_of_the_contrast_is_refused(toystreets, tmp_path):
    trained(config('source_only', toystreets), tmp_path / 'a.pth')
    cfg = config('cfcontra', toystreets)
    with pytest.raises(InputError, match=r'a\.pth: checkpoint does not match the'):
        collect_features(cfg, str(tmp_path / 'a.pth'))


def test_an_unknown_class_is_refused(toystreets):
    cfg = config('source_only', toystreets)
    with pytest.raises(InputError, match="unknown class 'boat'; choose from road, "):
        collect_features(cfg, 'none.pth', ['boat'])


def test_a_config_without_a_source_is_refused(toystreets):
    cfg = config('source_only', toystreets)
    cfg.train_dataloader = None
    with pytest.raises(InputError, match=r'dataset\.source is not set; use the'):
        collect_features(cfg, 'none.pth')


def test_common_classes_are_common_in_both_domains(monkeypatch):
    monkeypatch.setattr(module, 'MOST_COMMON', 2)
    source = torch.tensor([0] * 9 + [1] * 3 + [2] * 2 + [3])
    target = torch.tensor([1] * 3 + [2] * 9 + [3])
    assert most_common([source, target], 5) == [1, 2]
    assert most_common([source, target[:3]], 5) == [1]


def test_pixels_are_chosen_and_renumbered(monkeypatch):
    monkeypatch.setattr(module, 'PIXELS', 3)
    labels = torch.tensor([4, 0, 4, 2, 4, 4, 0])
    features = torch.arange(7.0)[:, None]
    rows, numbers = choose_pixels(features, labels, [4, 0])
    assert numbers.tolist() == [0, 0, 0, 1, 1]
    assert labels[rows.flatten().long()].tolist() == [4, 4, 4, 0, 0]
    assert len(set(rows.flatten().tolist())) == 5


def test_a_map_keeps_groups_apart():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], 20)
    rows = rng.normal(scale=0.05, size=(40, 8)) + 5 * groups[:, None]
    places = embed(rows.astype(np.float32))
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    same = groups[:, None] == groups
    assert distances[same].max() < distances[~same].min()


def test_too_few_pixels_are_refused():
    with pytest.raises(InputError, match='3 pixels are too few'):
        embed(np.zeros((3, 2), np.float32))
