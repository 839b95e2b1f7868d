"""Labelling a user's own images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress
from mmseg.apis import inference_model
from mmseg.models import BaseSegmentor
from PIL import Image

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import is_within, whole_file
from cfcontra_mm.images import read_image
from cfcontra_mm.models.export import plain_pipeline
from cfcontra_mm.old_names import old_attributes

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')

OPACITY = 0.5

OVERLAY = '_overlay'
"""End of the name, without suffix, of an image with its labels painted over."""


def find_images(source: str | Path, out: str | Path) -> dict[Path, Path]:
    """Find the images to label and, without suffix, the files to write for each.

    Args:
        source: An image, or a folder, whose subfolders are kept.
        out: Folder to write to.

    Raises:
        InputError: There is no image, two would be written to the same file, or one
            would be overwritten.
    """
    source, out = Path(source), Path(out)
    if source.is_file():
        targets = {out / source.stem: source}
    elif source.is_dir():
        targets = _targets(source, out)
    else:
        raise InputError(f'{source}: no such file or directory')
    images = {path: target for target, path in targets.items()}
    _keep_images(images)
    return images


def _targets(source: Path, out: Path) -> dict[Path, Path]:
    """Return the image that each target is written for."""
    found = sorted(p for p in source.rglob('*') if p.suffix.lower() in SUFFIXES)
    # A process that was killed may have left a hidden part of a file.
    found = [p for p in found if not p.name.startswith('.')]
    if is_within(out.resolve().parent, source):
        found = [p for p in found if not _is_output(p, out)]
    if not found:
        raise InputError(f'{source}: no image in it ({", ".join(SUFFIXES)})')
    targets: dict[Path, Path] = {}
    for path in found:
        target = out / path.relative_to(source).with_suffix('')
        if target in targets:
            raise InputError(
                f'{path} and {targets[target]} would both be written to '
                f'{target}.png; rename one'
            )
        targets[target] = path
    return targets


def _is_output(path: Path, out: Path) -> bool:
    """Tell whether an earlier run wrote an image into a subfolder, ``out``.

    Raises:
        InputError: It lies there, but is none of the two files of an image.
    """
    if not is_within(path.resolve().parent, out):
        return False
    if path.stem.endswith(OVERLAY) or _overlay(path.with_suffix('')).exists():
        return True
    raise InputError(
        f'{path}: lies in --out, whose images are not labelled; choose another --out'
    )


def _keep_images(images: dict[Path, Path]) -> None:
    """Refuse to overwrite an image."""
    resolved = {path.resolve() for path in images}
    for path, target in images.items():
        for written in (_labels(target), _overlay(target)):
            if written.resolve() in resolved:
                raise InputError(
                    f'{written}: would be overwritten by the labels of {path}; choose '
                    'another --out'
                )


def _labels(target: Path) -> Path:
    return target.with_name(f'{target.name}.png')


def _overlay(target: Path) -> Path:
    return target.with_name(f'{target.name}{OVERLAY}.jpg')


def label_images(model: BaseSegmentor, images: dict[Path, Path]) -> None:
    """Write a label map and an overlay for every image.

    Args:
        model: As :func:`cfcontra_mm.engine.checkpoints.load_segmentor` gives it.
        images: As :func:`find_images` gives it.

    Raises:
        InputError: Some images cannot be read; all others are labelled.
    """
    model.cfg.test_pipeline = plain_pipeline(model.cfg)
    unreadable = []
    for path, target in track_iter_progress(list(images.items())):
        try:
            image = read_image(path, 'restore or remove it')
        except InputError as error:
            unreadable.append(str(error))
            continue
        result = inference_model(model, np.ascontiguousarray(image[..., ::-1]))
        labels = result.pred_sem_seg.data[0].byte().cpu().numpy()
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(image, labels, model.dataset_meta['palette'], target)
    print()
    if unreadable:
        others = len(images) - len(unreadable)
        rest = f'; the other {others} are labelled' if others else ''
        raise InputError('; '.join(unreadable) + rest)


def _write(
    image: np.ndarray, labels: np.ndarray, palette: list[list[int]], target: Path
) -> None:
    """Write labels (H, W), uint8, as a palette PNG and painted over the image."""
    painted = Image.fromarray(labels)
    painted.putpalette(np.asarray(palette, np.uint8).tobytes())
    overlay = Image.blend(Image.fromarray(image), painted.convert('RGB'), OPACITY)
    # In this order: by the overlay, a later run knows the labels for an output.
    _save(overlay, _overlay(target))
    _save(painted, _labels(target))


def _save(image: Image.Image, path: Path) -> None:
    with whole_file(path) as temporary:
        image.save(temporary)


__getattr__ = old_attributes(__name__)
