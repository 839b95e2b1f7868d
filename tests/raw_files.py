"""Small data sets in the true raw encodings."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.runner import Runner
from PIL import Image

LOAD = [dict(type='LoadImage')]
LOAD_LABELLED = [
    *LOAD,
    dict(type='LoadLabels'),
    dict(type='MapLabels', table='cityscapes'),
]
PACK = [dict(type='PackSegInputs')]
CLASSES = """
classes:
  - {name: road, color: [128, 64, 128], values: [0, 7]}
  - {name: car, color: [0, 0, 142], values: [3]}
  - {name: ufo, color: [1, 2, 3], values: [9]}
ignore: [255, 4]
"""


def write_label(path: Path, label: np.ndarray) -> None:
    """A label in grey values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(label, np.uint8)).save(path)


def write_image(path: Path, size=(8, 6), value=None) -> Path:
    """An image of (width, height), of one colour or of noise by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng([*'/'.join(path.parts[-3:]).encode()]).integers(
        0, 256, (size[1], size[0], 3), dtype=np.uint8
    )
    if value is not None:
        array[:] = value
    Image.fromarray(array).save(path)
    return path


def write_p_label(path: Path, label: np.ndarray) -> Path:
    """A P-mode PNG whose palette differs from its indices, as GTA5's do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(label.astype(np.uint8)).convert('P')
    image.putdata(label.astype(np.uint8).ravel().tolist())
    image.putpalette([(7 * i + 31) % 256 for i in range(768)])
    image.save(path)
    return path


def write_synthia_label(path: Path, label: np.ndarray) -> Path:
    """A 16-bit RGB PNG: class in red, instance in green."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = np.zeros((*label.shape, 3), np.uint16)
    bgr[..., 2] = label
    bgr[..., 1] = 1000 + np.arange(label.size).reshape(label.shape)
    assert cv2.imwrite(str(path), bgr)
    return path


def write_gta5(root: Path, stems, size=(8, 6)) -> Path:
    """GTA5's layout; the n-th image has the grey value n."""
    for number, stem in enumerate(stems):
        write_image(root / f'images/{stem}.png', size, number)
        write_p_label(root / f'labels/{stem}.png', np.full(size[::-1], 7 + number % 2))
    return root


def write_cityscapes(root: Path, split, number, size=(8, 6), labels=True) -> Path:
    """Cityscapes' layout; the n-th image has the grey value 100 + n."""
    for n in range(number):
        name = f'{split}/town/town_{n:06}_000019'
        write_image(root / f'leftImg8bit/{name}_leftImg8bit.png', size, 100 + n)
        if labels:
            path = root / f'gtFine/{name}_gtFine_labelIds.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full(size[::-1], 26, np.uint8)).save(path)
    return root


def source_cfg(root: Path, augment=()) -> dict:
    return dict(
        type='GTA5Dataset',
        data_root=str(root),
        pipeline=[*LOAD_LABELLED, *augment, *PACK],
    )


def target_cfg(root: Path, augment=()) -> dict:
    return dict(
        type='RawCityscapesDataset',
        data_root=str(root),
        data_prefix=dict(img_path='leftImg8bit/train'),
        pipeline=[*LOAD, *augment, *PACK],
    )


def batches(dataset, workers, number=4, skipped=0):
    """Batches of the loader that MMEngine builds, as its training loop reads them."""
    from mmengine.runner.loops import _InfiniteDataloaderIterator

    loader = Runner.build_dataloader(
        dict(
            batch_size=3,
            num_workers=workers,
            dataset=dataset,
            sampler=dict(type='DomainSampler', per_domain=dict(source=2, target=1)),
        ),
        seed=5,
    )
    iterator = _InfiniteDataloaderIterator(loader)
    iterator.skip_iter(skipped)
    return [torch.stack(next(iterator)['inputs']) for _ in range(number)]
