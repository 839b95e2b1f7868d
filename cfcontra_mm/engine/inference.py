"""Labelling a user's own images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress
from mmseg.apis import inference_model
from mmseg.models import BaseSegmentor
from PIL import Image, ImageOps

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file
from cfcontra_mm.images import open_image
from cfcontra_mm.models.export import plain_pipeline
from cfcontra_mm.old_names import old_attributes

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')

OPACITY = 0.5


def find_images(source: str | Path, out: str | Path) -> dict[Path, Path]:
    """Find the images to label and, without suffix, the files to write for each.

    Args:
        source: An image, or a folder, whose subfolders are kept.
        out: Folder to write to.

    Raises:
        InputError: There is no image, or two would be written to the same file.
    """
    source, out = Path(source), Path(out)
    if source.is_file():
        return {source: out / source.stem}
    if not source.is_dir():
        raise InputError(f'{source}: no such file or directory')
    found = sorted(p for p in source.rglob('*') if p.suffix.lower() in SUFFIXES)
    # A process that was killed may have left a hidden part of a file.
    found = [p for p in found if not p.name.startswith('.')]
    # An earlier run may have written its output into a subfolder.
    found = [p for p in found if out.resolve() not in p.resolve().parents]
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
    return {path: target for target, path in targets.items()}


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
            image = _read(path)
        except InputError as error:
            unreadable.append(str(error))
            continue
        result = inference_model(model, str(path))
        labels = result.pred_sem_seg.data[0].byte().cpu().numpy()
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(image, labels, model.dataset_meta['palette'], target)
    print()
    if unreadable:
        raise InputError(
            f'{"; ".join(unreadable)}; the other {len(images) - len(unreadable)} are '
            'labelled'
        )


def _read(path: Path) -> Image.Image:
    """Read an image in RGB; the pipeline's OpenCV would accept a truncated file."""
    with open_image(path, 'restore or remove it') as image:
        return ImageOps.exif_transpose(image).convert('RGB')


def _write(
    image: Image.Image, labels: np.ndarray, palette: list[list[int]], target: Path
) -> None:
    """Write labels (H, W), uint8, as a palette PNG and painted over the image."""
    painted = Image.fromarray(labels)
    painted.putpalette(np.asarray(palette, np.uint8).tobytes())
    overlay = Image.blend(image, painted.convert('RGB'), OPACITY)
    _save(painted, target.with_name(f'{target.name}.png'))
    _save(overlay, target.with_name(f'{target.name}_overlay.jpg'))


def _save(image: Image.Image, path: Path) -> None:
    with whole_file(path) as temporary:
        image.save(temporary)


__getattr__ = old_attributes(__name__)
