from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfcontra_mm.errors import InputError
from cfcontra_mm.toystreets import render, write_toystreets
from cfcontra_mm.toystreets.dice import Dice
from cfcontra_mm.toystreets.draw import fill_convex
from cfcontra_mm.toystreets.labels import COLOURS, IDS
from cfcontra_mm.toystreets.looks import GRIDS, PAINTS
from cfcontra_mm.toystreets.scene import FRONTAGE, OCCURRENCE
from cfcontra_mm.toystreets.write import FIRST_VAL

ROOT = Path(__file__).parents[2]
TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
SMALL = (64, 32)


def digest(*arrays):
    return hashlib.sha256(b''.join(a.tobytes() for a in arrays)).hexdigest()[:16]


@pytest.fixture(scope='module')
def val_labels():
    return np.stack([render('camera', FIRST_VAL + i)[1] for i in range(100)])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('toystreets')
    write_toystreets(root, 2, 4, 3, SMALL, seed=5)
    return root


@pytest.mark.parametrize(
    ('look', 'size', 'expected'),
    [
        ('game', (256, 128), '1a66962dee173a72'),
        ('camera', (256, 128), '8893c25c3e4fe679'),
        ('game', (400, 200), 'db8ea99f39525b39'),
        ('camera', (400, 200), '3d3c4581bd25238c'),
        ('dashcam', (256, 128), 'fb2ad2e903ba5e94'),
    ],
)
def test_pixels_are_the_same_on_every_machine(look, size, expected):
    arrays = [a for i in (0, 1, 7) for a in render(look, i, seed=3, size=size)]
    assert digest(*arrays) == expected


def test_the_dashcam_is_another_camera():
    # Neither the other target in disguise nor unlit.
    size, number = (128, 64), 20
    images, labels = {}, {}
    for look in ('game', 'camera', 'dashcam'):
        pairs = [render(look, i, size=size) for i in range(number)]
        images[look], labels[look] = (
            np.stack(part) for part in zip(*pairs, strict=True)
        )

    def distance(one, other):
        means = [
            [images[k][labels[k] == c].mean(0) for c in TRAIN_IDS] for k in (one, other)
        ]
        return np.abs(np.subtract(*means)).mean()

    assert distance('dashcam', 'camera') > 0.4 * distance('game', 'camera')
    assert distance('dashcam', 'game') > 0.5 * distance('game', 'camera')
    assert images['dashcam'].std() > 0.8 * images['camera'].std()
    assert 60 < images['dashcam'].mean() < 160


def test_shapes_and_types():
    image, label = render('camera', 0, size=(96, 48))
    assert image.shape == (48, 96, 3)
    assert image.dtype == np.uint8
    assert label.shape == (48, 96)
    assert label.dtype == np.uint8


def test_labels_are_cityscapes_ids(val_labels):
    assert set(np.unique(val_labels)) == {*TRAIN_IDS, 1, 4}
    assert set(COLOURS) == {name for name in IDS if IDS[name] in TRAIN_IDS}


@pytest.mark.parametrize('class_id', TRAIN_IDS)
def test_every_class_can_be_learnt_and_scored(val_labels, class_id):
    pixels = (val_labels == class_id).sum((1, 2))
    assert pixels.sum() >= 0.003 * val_labels.size
    assert (pixels >= 30).sum() >= 20


def test_void_is_rare(val_labels):
    assert 0 < (~np.isin(val_labels, TRAIN_IDS)).mean() < 0.05


def test_the_looks_share_their_layout_statistics(val_labels):
    game = np.stack([render('game', i)[1] for i in range(100)])
    for class_id in TRAIN_IDS:
        ratio = (game == class_id).mean() / (val_labels == class_id).mean()
        assert 0.4 < ratio < 2.5, class_id


def test_sizes_shrink_toward_the_horizon():
    labels = np.stack([render('game', i)[1] for i in range(20)])
    road = (labels == IDS['road']).sum(2).mean(0)
    assert road[:50].max() == 0
    assert (road[70] < road[85]) & (road[85] < road[100])


def test_the_street_is_the_same_at_every_size():
    for look in ('game', 'camera'):
        small, large = (render(look, 3, size=s)[1] for s in ((256, 128), (768, 384)))
        assert (small == large[1::3, 1::3]).mean() > 0.98


def test_looks_shift_each_class_its_own_way():
    means = {look: [render(look, i) for i in range(40)] for look in ('game', 'camera')}
    shift = []
    for class_id in TRAIN_IDS:
        game, camera = (
            np.concatenate([image[label == class_id] for image, label in means[look]])
            for look in ('game', 'camera')
        )
        shift.append(camera.mean(0) - game.mean(0))
    shift = np.array(shift)
    assert np.abs(shift.mean(0)).max() > 8
    assert (shift - shift.mean(0)).std(0).min() > 8


def test_camera_is_grainier_than_game():
    def roughness(look):
        images = np.stack([render(look, i)[0] for i in range(10)]).astype(float)
        sky = images[:, :4]
        return np.median(np.abs(np.diff(sky, axis=2)))

    assert roughness('camera') > roughness('game')


def test_index_seed_and_look_each_change_the_street():
    labels = [
        render(*key, size=SMALL)[1]
        for key in (('game', 0, 0), ('game', 1, 0), ('game', 0, 1), ('camera', 0, 0))
    ]
    assert len({digest(label) for label in labels}) == 4


@pytest.mark.parametrize(
    'arguments',
    [('film', 0, 0, SMALL), ('game', -1, 0, SMALL), ('game', 0, -1, SMALL),
     ('game', 0, 0, (8, 4))],
)  # fmt: skip
def test_render_refuses(arguments):
    with pytest.raises(InputError):
        render(*arguments)


def test_at_least_20_images_per_second_on_one_core():
    render('camera', 0)
    best = min(_seconds(look, i) for i in range(12) for look in ('game', 'camera'))
    assert best < 0.05


def _seconds(look, index):
    start = time.process_time()
    render(look, index)
    return time.process_time() - start


def test_fill_convex_agrees_with_half_planes():
    rng = np.random.default_rng(0)
    for _ in range(50):
        angles = np.sort(rng.random(5)) * 2 * np.pi
        circle = np.stack([np.cos(angles), np.sin(angles)], 1)
        corners = np.rint(circle * 300 + rng.integers(-50, 400, 2)).astype(np.int64)
        for ordered in (corners, corners[::-1]):
            canvas = np.zeros((20, 24), np.uint16)
            pair = np.concatenate([np.zeros((3, 2), np.int64), ordered])
            fill_convex(canvas, pair, np.array([3, 5]))
            inside, border = half_planes(corners, canvas.shape)
            assert ((canvas == 1) == inside)[~border].all()


def half_planes(corners, shape):
    """Which pixel centres are inside, and which are within a sixteenth of an edge."""
    y, x = (np.indices(shape) * 16 + 8).astype(float)
    distances = []
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        length = max(np.hypot(x1 - x0, y1 - y0), 1e-9)
        distances.append(((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / length)
    nearest = np.min(distances, 0)
    return nearest > 0, np.abs(nearest) <= 1.5


def test_later_polygons_cover_earlier_ones():
    square = np.array([(0, 0), (64, 0), (64, 64), (0, 64)])
    canvas = np.zeros((6, 6), np.uint16)
    corners = np.concatenate([square, square, square + 32])
    fill_convex(canvas, corners, np.array([4, 4, 4]))
    expected = np.zeros((6, 6))
    expected[:4, :4] = 1
    expected[2:, 2:] = 2
    np.testing.assert_array_equal(canvas, expected)


def test_dice_streams():
    a, b, c = Dice(1, 2), Dice(1, 2), Dice(2, 1)
    first = [a.real() for _ in range(1000)]
    assert first == [b.real() for _ in range(1000)]
    assert first != [c.real() for _ in range(1000)]
    assert 0 <= min(first) < 0.02
    assert 0.98 < max(first) < 1
    assert {a.integer(-1, 2) for _ in range(200)} == {-1, 0, 1, 2}
    assert abs(a.noise(100, 100).mean() - 127.5) < 3


def test_tables_are_whole():
    assert all(grid.paint in PAINTS for grid in GRIDS.values())
    assert OCCURRENCE['game'].keys() == OCCURRENCE['camera'].keys()
    for weights in FRONTAGE.values():
        assert sum(weights.values()) == 100


def test_layout_on_disk(folder):
    files = {str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file()}
    photo = 'cityscapes/leftImg8bit/{0}/{1}/{1}_{2:06d}_000019_leftImg8bit.png'
    label = 'cityscapes/gtFine/{0}/{1}/{1}_{2:06d}_000019_gtFine_labelIds.png'
    places = [
        ('train', 'aldermoor', 0),
        ('train', 'brunswald', 0),
        ('train', 'castrelle', 0),
        ('train', 'aldermoor', 1),
        ('val', 'northaven', 0),
        ('val', 'quellingen', 0),
        ('val', 'northaven', 1),
    ]
    expected = {f'gta5/{kind}/0000{n}.png' for kind in ('images', 'labels')
                for n in (1, 2)}  # fmt: skip
    expected |= {name.format(*place) for place in places for name in (photo, label)}
    assert files == expected | {'toystreets.json'}


def test_files_hold_what_render_draws(folder):
    image, label = render('game', 1, seed=5, size=SMALL)
    with Image.open(folder / 'gta5/labels/00002.png') as ids:
        assert ids.mode == 'P'
        assert ids.getpalette()[3 * IDS['car'] : 3 * IDS['car'] + 3] == [0, 0, 142]
        np.testing.assert_array_equal(np.array(ids), label)
    with Image.open(folder / 'gta5/images/00002.png') as saved:
        np.testing.assert_array_equal(np.array(saved), image)
    stem = 'val/quellingen/quellingen_000000_000019'
    image, label = render('camera', FIRST_VAL + 1, seed=5, size=SMALL)
    with Image.open(folder / f'cityscapes/gtFine/{stem}_gtFine_labelIds.png') as ids:
        assert ids.mode == 'L'
        np.testing.assert_array_equal(np.array(ids), label)
    with Image.open(folder / f'cityscapes/leftImg8bit/{stem}_leftImg8bit.png') as photo:
        assert photo.mode == 'RGB'
        np.testing.assert_array_equal(np.array(photo), image)


def test_no_two_images_are_alike(folder):
    images = [*folder.rglob('images/*.png'), *folder.rglob('*_leftImg8bit.png')]
    assert len({digest(np.array(Image.open(p))) for p in images}) == 9


def test_second_call_renders_only_what_is_missing(tmp_path):
    arguments = tmp_path, 1, 1, 1, SMALL
    write_toystreets(*arguments)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*.png')}
    lost = tmp_path / 'gta5/labels/00001.png'
    content = lost.read_bytes()
    lost.unlink()
    seen = []
    write_toystreets(
        *arguments, progress=lambda done, total: seen.append((done, total))
    )
    assert lost.read_bytes() == content
    assert seen == [(1, 3), (2, 3), (3, 3)]
    kept = {p for p, stamp in before.items() if p.stat().st_mtime_ns == stamp}
    assert {p for p in before if 'gta5' not in str(p)} <= kept


def test_an_interrupted_call_goes_on(tmp_path, folder):
    def interrupt(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_toystreets(tmp_path, 2, 4, 3, SMALL, seed=5, progress=interrupt)
    assert not (tmp_path / 'toystreets.json').exists()
    write_toystreets(tmp_path, 2, 4, 3, SMALL, seed=5)
    files = sorted(p for p in folder.rglob('*') if p.is_file())
    for path in files:
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert len(files) == len([p for p in tmp_path.rglob('*') if p.is_file()])


@pytest.mark.parametrize('change', [dict(seed=1), dict(num_val=2), dict(size=(80, 40))])
def test_other_arguments_are_refused(tmp_path, change):
    arguments = dict(num_source=1, num_target=1, num_val=1, size=SMALL, seed=0)
    write_toystreets(tmp_path, **arguments)
    with pytest.raises(InputError, match=r'toystreets\.json.*delete the folder'):
        write_toystreets(tmp_path, **{**arguments, **change})


def test_another_camera_is_of_other_data(tmp_path, folder):
    write_toystreets(tmp_path, 2, 4, 3, SMALL, seed=5, camera='dashcam')
    assert json.loads((tmp_path / 'toystreets.json').read_text())['camera'] == 'dashcam'
    # The folder of the look `camera` has the manifest that it has always had.
    held = json.loads((folder / 'toystreets.json').read_text())
    assert 'camera' not in held
    source, target = 'gta5/images/00001.png', 'cityscapes/leftImg8bit'
    assert (tmp_path / source).read_bytes() == (folder / source).read_bytes()
    for path in (folder / target).rglob('*.png'):
        twin = tmp_path / path.relative_to(folder)
        assert twin.read_bytes() != path.read_bytes()
    with pytest.raises(InputError, match=r'toystreets\.json.*delete the folder'):
        write_toystreets(tmp_path, 2, 4, 3, SMALL, seed=5)


def test_a_look_that_no_target_has_is_refused(tmp_path):
    for camera in ('game', 'phone'):
        with pytest.raises(
            InputError, match=r'camera: no look .*choose from camera, d'
        ):
            write_toystreets(tmp_path, 1, 1, 1, SMALL, camera=camera)


def test_data_of_another_renderer_is_refused(tmp_path):
    write_toystreets(tmp_path, 1, 1, 1, SMALL)
    manifest = tmp_path / 'toystreets.json'
    held = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**held, 'version': 0}))
    with pytest.raises(InputError, match='another renderer'):
        write_toystreets(tmp_path, 1, 1, 1, SMALL)


def test_real_data_is_never_touched(tmp_path):
    (tmp_path / 'gta5').mkdir()
    with pytest.raises(InputError, match='not written by ToyStreets'):
        write_toystreets(tmp_path, 1, 1, 1, SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ['gta5']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((1, 1, 0, SMALL), 'num_val: must be in 1-1048576, not 0'),
        ((1, 1, 1, (8, 4)), 'size 8x4'),
        ((1, 1, 1, SMALL, -1), 'seed -1'),
    ],
)
def test_arguments_are_checked_before_writing(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        write_toystreets(tmp_path / 'new', *arguments)
    assert not (tmp_path / 'new').exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='is a file'):
        write_toystreets(tmp_path / 'file', 1, 1, 1, SMALL)


@pytest.mark.slow
def test_command_line(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, ROOT / 'tools/make_toystreets.py', '--out', 'toy',
             '--num-source', '2', '--num-target', '1', '--num-val', '1', *arguments],
            cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = run('--size', '64x32')
    assert done.returncode == 0
    assert '4/4' in done.stdout
    assert (tmp_path / 'toy/toystreets.json').exists()
    other = run('--size', '80x40')
    assert other.returncode == 2
    assert other.stderr.splitlines()[-1].startswith('error: ')
    assert 'Traceback' not in other.stderr
    assert 'not WxH' in run('--size', 'big').stderr
    other = run('--size', '64x32', '--camera', 'dashcam')
    assert 'toystreets.json: written with other arguments' in other.stderr


def test_package_imports_neither_torch_nor_mmseg():
    package = ROOT / 'cfcontra_mm/toystreets'
    text = '\n'.join(p.read_text() for p in package.glob('*.py'))
    imported = set(re.findall(r'^\s*(?:from|import) (\w+)', text, re.MULTILINE))
    assert {'numpy', 'PIL'} <= imported
    assert not imported & {'torch', 'torchvision', 'mmseg', 'mmengine', 'cv2'}
