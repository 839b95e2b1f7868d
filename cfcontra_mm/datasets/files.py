"""List the files of a data set once, when it is built, and name what is left out."""

from __future__ import annotations

import logging
import os
import os.path as osp
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import is_within

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')

FOREIGN_SUFFIXES = ('.bmp', '.gif', '.tif', '.tiff', '.webp')
"""Suffixes of further images, which no data set reads."""

MAX_LEFT_OUT = 0.01
"""Share of the files of a folder that may be left out."""

NAMED = 3
"""Number of left out files that a message names."""


class Listing(NamedTuple):
    """The files of a folder and its subfolders, by their sorted relative paths.

    Attributes:
        files: What has one of the wanted suffixes, in lower or in upper case.
        left_out: Images that are not read: of another suffix, broken links, and folders
            whose names end as an image's.
    """

    files: list[str]
    left_out: list[str]


def list_files(folder: str, suffixes: Sequence[str], field: str) -> Listing:
    """List the files of a folder and its subfolders, without hidden ones.

    Args:
        folder: The folder to list.
        suffixes: File suffixes to keep, in lower case.
        field: The setting that names the folder, for error messages.

    Raises:
        InputError: The folder does not exist, cannot be read, or holds no file with
            these suffixes.
    """
    if not osp.isdir(folder):
        raise InputError(f'{folder}: no such folder; set {field} to an existing one')
    wanted = tuple(suffix.lower() for suffix in suffixes)
    files, left_out = [], []
    start = len(osp.join(folder, ''))
    try:
        for entry in _walk(folder):
            name = entry.name.lower()
            if name.endswith(wanted) and _is_file(entry):
                files.append(entry.path[start:])
            elif name.endswith((*wanted, *IMAGE_SUFFIXES, *FOREIGN_SUFFIXES)):
                left_out.append(entry.path[start:])
    except OSError as error:
        raise InputError(
            f'{error.filename}: cannot be listed ({error.strerror}); check {field}'
        ) from error
    if not files:
        endings = ', '.join(f'*{suffix}' for suffix in suffixes)
        raise InputError(f'{folder}: no {endings} in it; check {field}')
    return Listing(sorted(files), sorted(left_out))


def _walk(folder: str) -> Iterator[os.DirEntry]:
    """Yield the entries of a folder and of its subfolders, linked ones included."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            yield entry
            if not _is_file(entry) and osp.isdir(entry.path) and not _leads_up(entry):
                yield from _walk(entry.path)


def _leads_up(entry: os.DirEntry) -> bool:
    """Tell whether a link points to a folder above it, which would never end."""
    return entry.is_symlink() and is_within(osp.dirname(entry.path), entry.path)


def _is_file(entry: os.DirEntry) -> bool:
    # Asks the disk about links alone: data sets often lie on network disks.
    return entry.is_file(follow_symlinks=False) or osp.isfile(entry.path)


def report_left_out(
    lost: Sequence[str], kept: int, folder: str, twins: Sequence[str] = ()
) -> str:
    """Name what is left out of a data set, in the log too.

    Args:
        lost: Paths of files that are left out.
        kept: Number of files that are read.
        folder: The folder of the images.
        twins: Paths of further files of images that are read.

    Returns:
        One line, empty if nothing is left out.

    Raises:
        InputError: More than ``MAX_LEFT_OUT`` of all is lost.
    """
    left_out = [*sorted(lost), *sorted(twins)]
    if not left_out:
        return ''
    first = ', '.join(left_out[:NAMED])
    more = f' and {len(left_out) - NAMED} more' if len(left_out) > NAMED else ''
    line = f'{folder}: {len(left_out)} left out, {kept} read: {first}{more}'
    if len(lost) > MAX_LEFT_OUT * (len(lost) + kept):
        raise InputError(
            f'{line}; that is more than {MAX_LEFT_OUT:.0%}: restore the images, or '
            'move away what has none'
        )
    print_log(line, 'current', logging.WARNING)
    return line


class PairedFiles(BaseSegDataset):
    """Base of the data sets: pair images and labels by name when the set is built.

    Suffixes may be in lower or in upper case.

    Args:
        *args: As for mmseg's ``BaseSegDataset``.
        every: Keep the first image and every ``every``-th one after it, in the order of
            their names or of the split file.
        **kwargs: As for mmseg's ``BaseSegDataset``.

    Attributes:
        image_suffixes: What the names of images end with; ``img_suffix`` if empty.
        unpaired: Names that labels may have without an image.
        left_out: A line about what is left out, empty if nothing is.

    Raises:
        InputError: A folder or the split file is missing, a folder is empty, two files
            have one name, an image has no label, or more than ``MAX_LEFT_OUT`` of the
            files are left out.
    """

    image_suffixes: Sequence[str] = ()
    unpaired: Collection[str] = ()
    left_out = ''

    def __init__(self, *args: Any, every: int = 1, **kwargs: Any) -> None:
        self.every = every  # before the base class lists the files
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the paths of images and labels."""
        folder = self.data_prefix['img_path']
        suffixes = self.image_suffixes or [self.img_suffix]
        listing = list_files(folder, suffixes, 'data_prefix.img_path')
        images = _by_name(folder, listing.files, suffixes)
        labels = self._labels()
        names = self._split() if self.ann_file else list(images)
        _check_all_there(names, images, folder, suffixes[0], 'image')
        if labels is not None:
            place = self.data_prefix['seg_map_path']
            _check_all_there(names, labels, place, self.seg_map_suffix, 'label')
        if not self.ann_file:
            lost, twins = self._left_out(listing, images, labels or {})
            self.left_out = report_left_out(lost, len(images), folder, twins)
        kept = names[:: self.every]
        return [self._info(images[n], labels[n] if labels else None) for n in kept]

    def _labels(self) -> dict[str, str] | None:
        """Return the paths of the labels by name, ``None`` for unlabelled data."""
        folder = self.data_prefix.get('seg_map_path')
        if folder is None:
            return None
        suffixes = [self.seg_map_suffix]
        listing = list_files(folder, suffixes, 'data_prefix.seg_map_path')
        return _by_name(folder, listing.files, suffixes)

    def _split(self) -> list[str]:
        """Return the names that the split file lists."""
        if not osp.isfile(self.ann_file):
            raise InputError(f'{self.ann_file}: no such split file; check ann_file')
        with open(self.ann_file, encoding='utf-8-sig') as file:
            return [line.strip() for line in file if line.strip()]

    def _left_out(
        self, listing: Listing, images: Mapping[str, str], labels: Mapping[str, str]
    ) -> tuple[list[str], list[str]]:
        """Return the images and labels that are not read, and twins of read images."""
        folder = self.data_prefix['img_path']
        found = [
            (self._name(file), osp.join(folder, file)) for file in listing.left_out
        ]
        if labels and is_within(self.data_prefix['seg_map_path'], folder):
            found = []  # other label files of the data set
        known = {*images, *self.unpaired, *(name for name, _ in found)}
        lost = [path for name, path in found if name not in images]
        lost += [path for name, path in labels.items() if name not in known]
        return lost, [path for name, path in found if name in images]

    def _name(self, file: str) -> str:
        """Return the name by which an image that is not read would have a label."""
        ending = self.img_suffix[: self.img_suffix.rfind('.')]
        return osp.splitext(file)[0].removesuffix(ending)

    def _info(self, image: str, label: str | None) -> dict:
        """Return what MMSegmentation's transforms expect about an image."""
        info = dict(img_path=image, label_map=self.label_map, seg_fields=[])
        info['reduce_zero_label'] = self.reduce_zero_label
        return info if label is None else dict(info, seg_map_path=label)


def _by_name(
    folder: str, files: Sequence[str], suffixes: Sequence[str]
) -> dict[str, str]:
    """Return the paths of files by their relative path without suffix."""
    found: dict[str, str] = {}
    for file in files:
        lower = file.lower()
        suffix = next(s for s in suffixes if lower.endswith(s.lower()))
        name, path = file[: -len(suffix)], osp.join(folder, file)
        if name in found:
            raise InputError(f'{path}: duplicate name, as {found[name]}; remove one')
        found[name] = path
    return found


def _check_all_there(
    names: Sequence[str], found: Collection[str], folder: str, suffix: str, what: str
) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f'{osp.join(folder, missing[0] + suffix)}: no such {what} ({len(missing)} '
            f'of {len(names)} are missing); complete the download or remove their '
            'counterparts'
        )
