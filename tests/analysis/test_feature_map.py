import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from cfcontra_mm.analysis import Features, draw_feature_map, read_features
from cfcontra_mm.analysis.feature_map import write_features
from cfcontra_mm.errors import InputError

PALETTE = np.array([[128, 64, 128], [0, 0, 142]], np.uint8)


@pytest.fixture
def features():
    """Four pixels; the class 'car' has no center in the source."""
    nan = np.nan
    return Features(
        classes=('road', 'car'),
        palette=PALETTE,
        pixels=np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], np.float32),
        labels=np.array([0, 1, 1, 0]),
        domains=np.array([0, 0, 1, 1]),
        centers=np.array([[[1, 0], [0, 1]], [[1, 0], [nan, nan]]], np.float32),
        from_bank=True,
        pixel_map=np.array([[0, 1], [2, 3], [4, 5], [6, 7]], np.float32),
        center_map=np.array([[[0, 1], [2, 3]], [[6, 7], [nan, nan]]], np.float32),
    )


def test_features_survive_their_file(features, tmp_path):
    path = tmp_path / 'new' / 'features.npz'
    write_features(features, path)
    found = read_features(path)
    assert (found.classes, found.from_bank) == (('road', 'car'), True)
    for name in ('palette', 'pixels', 'labels', 'domains', 'centers', 'center_map'):
        assert_array_equal(getattr(found, name), getattr(features, name))
    assert [p.name for p in path.parent.iterdir()] == ['features.npz']


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r'none\.npz: no such file; write it with'):
        read_features(tmp_path / 'none.npz')


@pytest.mark.parametrize('damage', ['truncated', 'text', 'other arrays', 'empty'])
def test_a_file_without_features_is_refused(features, tmp_path, damage):
    path = tmp_path / 'features.npz'
    write_features(features, path)
    if damage == 'other arrays':
        np.savez(path, pixels=np.zeros(3))
    else:
        content = path.read_bytes()
        kept = {'truncated': content[:200], 'text': b'hello', 'empty': b''}
        path.write_bytes(kept[damage])
    with pytest.raises(InputError, match=r'features\.npz: damaged or not a file of'):
        read_features(path)


def test_target_accuracy_compares_with_the_source_centers(features):
    # (0.6, 0.8) is nearer to (0, 1), its own; (1, 0) is at its own.
    assert features.target_accuracy() == 100
    features.labels[3] = 1
    assert features.target_accuracy() == 50


def test_a_class_without_a_source_center_is_never_nearest(features):
    features.centers[0, 1] = np.nan
    assert features.target_accuracy() == 50


def test_no_source_center_gives_no_accuracy(features):
    features.centers[0] = np.nan
    assert np.isnan(features.target_accuracy())


def points(collection):
    return collection.get_offsets().tolist(), collection.get_facecolors()[:, :3] * 255


def test_pixels_stand_at_their_places_in_their_classes_colours(features):
    source, target = draw_feature_map({'a': features}).axes[0].collections[:2]
    places, colors = points(source)
    assert places == [[0, 1], [2, 3]]
    assert_array_equal(np.round(colors), PALETTE)
    places, _ = points(target)
    assert places == [[4, 5], [6, 7]]
    colors = target.get_edgecolors()[:, :3] * 255
    assert_array_equal(np.round(colors), PALETTE[::-1])
    # Domains are told apart by shape, as colours say the class.
    assert len(source.get_paths()[0]) != len(target.get_paths()[0])


def test_centers_and_names_stand_where_there_are_any(features):
    axes = draw_feature_map({'a': features}).axes[0]
    source, target = axes.collections[2:]
    assert points(source)[0] == [[0, 1], [2, 3]]
    assert [6, 7] in points(target)[0]
    named = {text.get_text(): tuple(text.xy) for text in axes.texts}
    assert named == {'road': (0, 1), 'car': (2, 3)}


def test_maps_stand_side_by_side(features, tmp_path):
    figure = draw_feature_map({'before': features, 'after': features})
    assert [axes.get_title().splitlines()[0] for axes in figure.axes] == [
        'before', 'after',
    ]  # fmt: skip
    assert '100 % of target pixels' in figure.axes[0].get_title()
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:2] == ['source pixel', 'source: center (memory bank)']
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        figure.savefig(tmp_path / 'map.png')
