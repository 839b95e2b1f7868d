import math

import pytest

from cfcontra_mm.analysis import draw_curves
from cfcontra_mm.analysis.curves import COLUMNS, MIOU, STYLES, read_runs
from cfcontra_mm.engine.training_log import Curves
from cfcontra_mm.errors import InputError


def curves(training, validations):
    return Curves((), validations, {}, None, None, training)


@pytest.fixture
def runs():
    return {
        'plain': curves(
            {5: {'loss': 3.0, 'acc': 9.0}, 10: {'loss': 2.0}}, {10: {'mIoU': 20.0}}
        ),
        'adapted': curves(
            {10: {'loss': 4.0, 'b.loss_ent': 1.0}, 5: {'loss': 5.0, 'b.loss_ent': 2.0}},
            {5: {'mIoU': 30.0, 'IoU.car': 1.0}, 10: {'mIoU': 35.0}},
        ),
        'silent': curves({}, {}),
    }


def lines(axes):
    return [(*map(list, line.get_data()), line.get_color()) for line in axes.lines]


def test_a_panel_a_loss_and_a_line_a_run(runs):
    panels = {axes.get_title(): lines(axes) for axes in draw_curves(runs).axes}
    blue, orange = (style['color'] for style in STYLES[:2])
    assert list(panels) == [MIOU, 'loss', 'b.loss_ent']
    assert panels[MIOU] == [([10], [20.0], blue), ([5, 10], [30.0, 35.0], orange)]
    assert panels['loss'] == [
        ([5, 10], [3.0, 2.0], blue),
        ([5, 10], [5.0, 4.0], orange),
    ]
    assert panels['b.loss_ent'] == [([5, 10], [2.0, 1.0], orange)]


def test_the_legend_names_every_run(runs):
    (legend,) = draw_curves(runs).legends
    assert [text.get_text() for text in legend.get_texts()] == list(runs)


def test_a_single_validation_is_seen(runs):
    axes = draw_curves(runs).axes[0]
    assert axes.lines[0].get_marker() == 'o'


def test_many_runs_differ_in_colour_or_dashes(runs):
    many = {f'run {n}': runs['plain'] for n in range(len(STYLES))}
    axes = draw_curves(many).axes[0]
    assert len({(li.get_color(), li.get_linestyle()) for li in axes.lines}) == len(many)


def test_every_panel_has_its_place():
    losses = {f'loss_{n}': math.nan for n in range(COLUMNS + 1)}
    figure = draw_curves({'run': curves({1: losses}, {})})
    places = {axes.get_subplotspec().num1 for axes in figure.axes}
    assert places == set(range(COLUMNS + 1))


def test_nothing_logged_is_said():
    with pytest.raises(InputError, match=r'run: no losses in the logs'):
        draw_curves({'run': curves({}, {})})


def log(folder):
    path = folder / '2025_1' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('{"iter": 5, "step": 5, "loss": 3.0}\n')
    return folder


def test_runs_are_named_by_folder_or_by_path(tmp_path):
    a, b, c = (log(tmp_path / name) for name in ('x/a', 'x/b', 'y/a'))
    assert list(read_runs([a, b])) == ['a', 'b']
    assert list(read_runs([a, c])) == [str(a), str(c)]
    assert read_runs([a])['a'].training == {5: {'loss': 3.0}}


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(InputError, match=rf'{tmp_path}: no training log'):
        read_runs([tmp_path])
