"""Labelling a user's own pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress
from mmseg.apis import inference_model
from mmseg.models import BaseSegmentor
from PIL import Image, ImageOps

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file
from cfcontra_mm.models.export import plain_pipeline

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')

OPACITY = 0.5


def find_pictures(source: str | Path, out: str | Path) -> dict[Path, Path]:
    """The pictures to label and the name, without suffix, of what is written for each.

    Args:
        source: A picture, or a folder whose subfolders are kept.
        out: Folder to write to.

    Raises:
        InputError: There is no picture, or two would be written to one name.
    """
    source, out = Path(source), Path(out)
    if source.is_file():
        return {source: out / source.stem}
    if not source.is_dir():
        raise InputError(f'{source}: no such picture or folder')
    found = sorted(p for p in source.rglob('*') if p.suffix.lower() in SUFFIXES)
    # What an earlier run wrote into a folder below is no picture to label.
    found = [p for p in found if out.resolve() not in p.resolve().parents]
    if not found:
        raise InputError(f'{source}: no picture in it ({", ".join(SUFFIXES)})')
    targets: dict[Path, Path] = {}
    for picture in found:
        target = out / picture.relative_to(source).with_suffix('')
        if target in targets:
            raise InputError(
                f'{picture} and {targets[target]} would both be written to '
                f'{target}.png; rename one'
            )
        targets[target] = picture
    return {picture: target for target, picture in targets.items()}


def label_pictures(model: BaseSegmentor, pictures: dict[Path, Path]) -> None:
    """Write the label map and an overlay of every picture.

    Args:
        model: As :func:`cfcontra_mm.engine.checkpoints.load_segmentor` gives it.
        pictures: As :func:`find_pictures` gives it.

    Raises:
        InputError: Some pictures could not be read; all others are written.
    """
    model.cfg.test_pipeline = plain_pipeline(model.cfg)
    unreadable = []
    for picture, target in track_iter_progress(list(pictures.items())):
        try:
            image = _read(picture)
        except (OSError, SyntaxError, ValueError):
            unreadable.append(str(picture))
            continue
        result = inference_model(model, str(picture))
        labels = result.pred_sem_seg.data[0].byte().cpu().numpy()
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(image, labels, model.dataset_meta['palette'], target)
    print()
    if unreadable:
        raise InputError(
            f'{", ".join(unreadable)}: truncated or not a picture; the other '
            f'{len(pictures) - len(unreadable)} are labelled'
        )


def _read(path: Path) -> Image.Image:
    """A picture in RGB; OpenCV, which the pipeline uses, passes truncated ones."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert('RGB')


def _write(
    image: Image.Image, labels: np.ndarray, palette: list[list[int]], target: Path
) -> None:
    """Write labels (H, W), uint8, as a palette PNG, and painted over the image."""
    painted = Image.fromarray(labels)
    painted.putpalette(np.asarray(palette, np.uint8).tobytes())
    overlay = Image.blend(image, painted.convert('RGB'), OPACITY)
    _save(painted, target.with_name(f'{target.name}.png'))
    _save(overlay, target.with_name(f'{target.name}_overlay.jpg'))


def _save(image: Image.Image, path: Path) -> None:
    with whole_file(path) as temporary:
        image.save(temporary)
