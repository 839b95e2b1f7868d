"""The folder of a translated copy: manifest, links, and images written atomically."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import temporary_name, whole_file, write_whole

# Level 3 compresses three times as fast as Pillow's 6, to files 3 to 8 % larger
# (CamVid): on a GPU, translation is faster than compression. JPEG keeps the chroma at
# full resolution.
FORMATS: dict[str, dict[str, Any]] = {
    '.png': dict(format='PNG', compress_level=3),
    '.jpg': dict(format='JPEG', quality=95, subsampling=0),
    '.jpeg': dict(format='JPEG', quality=95, subsampling=0),
}
"""Arguments of Pillow's ``Image.save`` by file suffix."""

MANIFEST, UNFINISHED = 'translation.json', 'translation.unfinished.json'


def check_output_folder(out: Path, manifest: dict) -> bool:
    """Make the folder and tell whether it holds this translation, finished.

    Args:
        out: The folder.
        manifest: Manifest of the translation.

    Raises:
        InputError: The folder cannot be made, or holds something else.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f'{out}: cannot make this folder ({error.strerror}); choose another --out'
        ) from error
    for name in (MANIFEST, UNFINISHED):
        if (out / name).exists():
            _check_same(out / name, manifest)
            return name == MANIFEST
    for entry in sorted(out.iterdir()):
        if entry != temporary_name(out / UNFINISHED):
            raise InputError(
                f'{entry}: does not belong to a translation; choose a new or empty '
                'folder for --out'
            )
    return False


def _check_same(path: Path, manifest: dict) -> None:
    try:
        theirs = dict(json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise InputError(f'{path}: not a manifest; choose another --out') from error
    for field in manifest | theirs:
        if field not in theirs or manifest.get(field) != theirs[field]:
            raise InputError(
                f'{path}: belongs to another translation ({field} differs); choose '
                'another --out or delete the folder'
            )


def begin_copy(out: Path, manifest: dict, links: dict[str, Path]) -> None:
    """Write the unfinished manifest and the links.

    Args:
        out: The folder of the copy.
        manifest: Manifest of the translation.
        links: Folders to link, by their path in the copy.
    """
    (out / MANIFEST).unlink(missing_ok=True)
    write_whole(out / UNFINISHED, json.dumps(manifest, indent=1) + '\n')
    for name, folder in links.items():
        if not os.path.lexists(out / name):
            _link(out / name, folder)


def _link(link: Path, folder: Path) -> None:
    """Link a folder, or copy it where the file system refuses links."""
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(folder.resolve(), target_is_directory=True)
    except OSError:
        with whole_file(link) as temporary:
            shutil.copytree(folder, temporary, dirs_exist_ok=True)


def write_image(image: np.ndarray, path: Path) -> None:
    """Write an image, RGB, uint8, (H, W, 3), atomically."""
    with whole_file(path) as temporary:
        Image.fromarray(image).save(temporary, **FORMATS[path.suffix.lower()])
