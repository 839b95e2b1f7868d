import numpy as np
import pytest
from matplotlib.colors import to_hex
from mmengine.config import Config

from cfcontra_mm.analysis import class_names, count_confusion, draw_confusion
from cfcontra_mm.errors import InputError


def slow_count(labels, predicted, size):
    counts = np.zeros((size, size), np.int64)
    for label, prediction in zip(labels.ravel(), predicted.ravel(), strict=True):
        if label != 255:
            counts[label, prediction] += 1
    return counts


def test_pixels_are_counted_by_label_and_prediction(split):
    matrix = count_confusion(split.config, split.predictions)
    assert matrix.dtype == np.int64
    assert (matrix == slow_count(split.labels, split.predicted, 3)).all()
    assert matrix.sum() == (split.labels != 255).sum()


def test_a_config_that_was_read_serves_as_well(split):
    cfg = Config.fromfile(split.config)
    matrix = count_confusion(cfg, split.predictions)
    assert (matrix == count_confusion(str(split.config), split.predictions)).all()
    assert class_names(cfg) == ('road', 'sky', 'car')


def test_a_missing_prediction_is_named(split):
    (split.predictions / '1.png').unlink()
    with pytest.raises(
        InputError, match=r'1\.png: no such file or directory; write all'
    ):
        count_confusion(split.config, split.predictions)


@pytest.mark.parametrize(
    ('array', 'said'),
    [
        (
            np.zeros((4, 16), np.uint8),
            'size mismatch: .* is 4x16, its label 8x16',
        ),
        (np.zeros((8, 16, 3), np.uint8), 'size mismatch: .* is 8x16x3'),
        (
            np.full((8, 16), 3, np.uint8),
            'class 3 is out of range, the config has 3',
        ),
    ],
)
def test_a_prediction_of_other_data_is_refused(split, array, said):
    split.write_prediction(2, array)
    with pytest.raises(InputError, match=rf'2\.png: {said}'):
        count_confusion(split.config, split.predictions)


def test_a_truncated_prediction_is_refused(split):
    path = split.predictions / '0.png'
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r'0\.png: truncated'):
        count_confusion(split.config, split.predictions)


def test_a_config_without_test_data_is_refused(split):
    split.config.write_text('test_dataloader = None')
    with pytest.raises(InputError, match=r'config\.py: test_dataloader is not set'):
        class_names(split.config)


def cells(axes):
    return {t.get_position(): (t.get_text(), to_hex(t.get_color())) for t in axes.texts}


def test_rows_are_drawn_in_percent():
    matrix = np.array([[999, 1, 0], [30, 10, 0], [0, 0, 0]])
    axes = draw_confusion(matrix, ['road', 'sky', 'car'], 'a title').axes[0]
    drawn = axes.images[0].get_array()
    assert drawn[:2].tolist() == [[99.9, 0.1, 0], [75, 25, 0]]
    assert drawn.mask[2].all()  # nothing was labelled so
    white, black = '#ffffff', '#000000'
    assert cells(axes) == {
        (0, 0): ('100', black), (0, 1): ('75', black), (1, 1): ('25', white),
    }  # fmt: skip
    assert [t.get_text() for t in axes.get_yticklabels()] == ['road', 'sky', 'car']
    assert (axes.get_ylabel(), axes.get_xlabel()) == ('label', 'prediction')
    assert axes.get_title() == 'a title'


@pytest.mark.parametrize(('size', 'has_text'), [(19, True), (150, False)])
def test_cells_too_small_for_text_have_none(size, has_text):
    figure = draw_confusion(np.eye(size), [str(n) for n in range(size)])
    assert bool(cells(figure.axes[0])) == has_text
    assert max(figure.get_size_inches()) < 16
