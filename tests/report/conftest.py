"""A finished study of two rows and two seeds, as its runs leave it behind."""

import json

import numpy as np
import pytest
from helpers import labelled_split
from PIL import Image

from cfcontra_mm.analysis import Features
from cfcontra_mm.analysis.feature_map import write_features
from cfcontra_mm.benchmark import Row, Study

PALETTE = {'road': [128, 64, 128], 'sky': [70, 130, 180]}
SCORES = {('before', 0): (20, 10), ('before', 1): (24, 14)}
SCORES |= {('<b>&"after"', 0): (45, 5), ('<b>&"after"', 1): (49, 9)}
SIZE = (24, 48)


def truth():
    label = np.zeros(SIZE, np.uint8)
    label[:9] = 1
    return label


def write_image(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def line(row, seed, folder, road, sky):
    ious = {'mIoU': (road + sky) / 2, 'IoU.road': road, 'IoU.sky': sky}
    return {
        'row': row,
        'seed': seed,
        'status': 'done',
        'version': '1.2',
        'metrics': ious,
        'final': {},
        'per_image': None,
        'validations': {10: {**ious, 'mIoU': 1.0}, 20: ious},
        'work_dir': f'../runs/{folder.name}',
        'git': {'commit': 'c0ffee' * 7, 'dirty': True},
        'environment': {'device': 'a device', 'torch': '9.9'},
        'max_iters': 20,
        'iterations_per_second': 2.5,
        'wall_seconds': 90.0,
        'resumed_from': 10 * seed,
        'peak_memory_mib': None,
    }


def write_run(folder, stems, shift):
    for stem in stems:
        predicted = np.roll(truth(), shift, axis=0)
        write_image(folder / 'predictions' / f'{stem}.png', predicted)
    log = folder / '2026' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    entries = [{'iter': i, 'loss': 1 / i, 'time': 0.1} for i in (10, 20)]
    entries.append({'step': 20, 'mIoU': 15.0})
    log.write_text(''.join(json.dumps(entry) + '\n' for entry in entries))
    random = np.random.default_rng(shift)
    features = Features(
        classes=tuple(PALETTE),
        palette=np.array(list(PALETTE.values()), np.uint8),
        pixels=random.normal(size=(24, 5)).astype(np.float32),
        labels=np.arange(24) % 2,
        domains=np.arange(24) // 12,
        centers=random.normal(size=(2, 2, 5)).astype(np.float32),
        from_bank=True,
        pixel_map=random.normal(size=(24, 2)),
        center_map=random.normal(size=(2, 2, 2)),
    )
    write_features(features, folder / 'features.npz')


@pytest.fixture
def study(tmp_path):
    """The study; its results are in ``tmp_path / 'out'``."""
    stems = [f'street_{index}' for index in range(3)]
    for index, stem in enumerate(stems):
        image = np.full((*SIZE, 3), 60 * index, np.uint8)
        write_image(tmp_path / 'data' / 'images' / f'{stem}.png', image)
        write_image(tmp_path / 'data' / 'labels' / f'{stem}.png', truth())
    config = tmp_path / 'config.py'
    config.write_text(labelled_split(tmp_path / 'data', PALETTE))
    lines = []
    for index, ((row, seed), scores) in enumerate(SCORES.items()):
        folder = tmp_path / 'runs' / f'run_{index}'
        write_run(folder, stems, shift=index)
        lines.append(line(row, seed, folder, *scores))
    (tmp_path / 'out').mkdir()
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (tmp_path / 'out' / 'results.jsonl').write_text(text)
    return Study(
        name='a <study>',
        rows=tuple(
            Row(name, str(config)) for name in dict.fromkeys(r for r, _ in SCORES)
        ),
        baseline='before',
        reference='before',
        seeds=(0, 1),
        published={'before': {'mIoU': 33.3}},
        feature_rows=('before', '<b>&"after"'),
    )
