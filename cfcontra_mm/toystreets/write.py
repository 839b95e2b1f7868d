"""Write the pair to disk, in the raw layouts of GTA5 and Cityscapes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file, write_whole
from cfcontra_mm.toystreets.labels import palette
from cfcontra_mm.toystreets.looks import CAMERAS
from cfcontra_mm.toystreets.render import VERSION, check_numbers, render

CITIES = {
    'train': ('aldermoor', 'brunswald', 'castrelle'),
    'val': ('northaven', 'quellingen'),
}
# Streets from this number on are validation's, so that it shares none with training.
FIRST_VAL = 1 << 20
MANIFEST, UNFINISHED = 'toystreets.json', 'toystreets.unfinished.json'


class _Job(NamedTuple):
    look: str
    number: int
    image: Path
    label: Path


def write_toystreets(
    root: str | os.PathLike,
    num_source: int,
    num_target: int,
    num_val: int,
    size: tuple[int, int] = (256, 128),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    camera: str = 'camera',
) -> None:
    """Write the source, ``gta5``, and the target, ``cityscapes``, to a folder.

    A second call with the same arguments renders only what is missing. Each file is
    written atomically, and ``toystreets.json`` last.

    Args:
        root: Folder to write to; it is made if needed.
        num_source: Number of source images, in the look ``game``.
        num_target: Number of target images for training.
        num_val: Number of target images for validation.
        size: Width and height in pixels.
        seed: Seed of all images.
        progress: Function that is called after each image with the number of images
            done and the total.
        camera: The look of the target, one of ``CAMERAS``.

    Raises:
        InputError: A number is out of range, the look is no camera's, or ``root`` holds
            other data.
    """
    root = Path(root)
    counts = dict(num_source=num_source, num_target=num_target, num_val=num_val)
    _check_counts(counts)
    check_numbers(0, seed, size)
    if camera not in CAMERAS:
        raise InputError(
            f'camera: no look of a target: {camera!r}; choose from {", ".join(CAMERAS)}'
        )
    arguments = dict(version=VERSION, **counts, size=list(size), seed=seed)
    # Manifests of the look `camera` name no look.
    _start_or_resume(
        root, arguments if camera == 'camera' else dict(arguments, camera=camera)
    )
    jobs = _jobs(root, camera, **counts)
    for done, job in enumerate(jobs, 1):
        _write(job, seed, size)
        if progress:
            progress(done, len(jobs))
    if (root / UNFINISHED).exists():
        os.replace(root / UNFINISHED, root / MANIFEST)


def _check_counts(counts: dict[str, int]) -> None:
    for name, count in counts.items():
        if not 1 <= count <= FIRST_VAL:
            raise InputError(f'{name}: must be in 1-{FIRST_VAL}, not {count}')


def _start_or_resume(root: Path, arguments: dict) -> None:
    """Make sure that ``root`` holds data of these arguments, or none, and mark it."""
    if root.exists() and not root.is_dir():
        raise InputError(f'{root}: is a file; choose a folder')
    for name in (MANIFEST, UNFINISHED):
        if (root / name).exists():
            if _read(root / name) != arguments:
                raise InputError(
                    f'{root / name}: written with other arguments or by another '
                    'renderer; delete the folder or choose another one'
                )
            return
    for name in ('gta5', 'cityscapes'):
        if (root / name).exists():
            raise InputError(
                f'{root / name}: was not written by ToyStreets; choose another folder'
            )
    write_whole(root / UNFINISHED, json.dumps(arguments, indent=1) + '\n')


def _read(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def _jobs(
    root: Path, camera: str, num_source: int, num_target: int, num_val: int
) -> list[_Job]:
    return [
        *_source_jobs(root / 'gta5', num_source),
        *_target_jobs(root / 'cityscapes', camera, 'train', num_target),
        *_target_jobs(root / 'cityscapes', camera, 'val', num_val),
    ]


def _source_jobs(root: Path, number: int) -> Iterator[_Job]:
    for index in range(number):
        name = f'{index + 1:05d}.png'
        yield _Job('game', index, root / 'images' / name, root / 'labels' / name)


def _target_jobs(root: Path, camera: str, split: str, number: int) -> Iterator[_Job]:
    cities = CITIES[split]
    for index in range(number):
        city = cities[index % len(cities)]
        stem = f'{city}_{index // len(cities):06d}_000019'
        yield _Job(
            camera,
            index + (FIRST_VAL if split == 'val' else 0),
            root / 'leftImg8bit' / split / city / f'{stem}_leftImg8bit.png',
            root / 'gtFine' / split / city / f'{stem}_gtFine_labelIds.png',
        )


def _write(job: _Job, seed: int, size: tuple[int, int]) -> None:
    if job.image.exists() and job.label.exists():
        return
    image, label = render(job.look, job.number, seed, size)
    ids = Image.fromarray(label)
    if job.look == 'game':
        ids.putpalette(palette())
    _save(ids, job.label)
    _save(Image.fromarray(np.ascontiguousarray(image)), job.image)


def _save(image: Image.Image, path: Path) -> None:
    with whole_file(path) as temporary:
        image.save(temporary, compress_level=3)
