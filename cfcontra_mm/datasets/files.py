"""Checks of what lies on disk, made once when a data set is built."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence

from mmengine import fileio

from cfcontra_mm.errors import InputError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')


def list_files(folder: str, suffixes: Sequence[str], field: str) -> list[str]:
    """Relative names of a folder's files, subfolders included, sorted.

    Args:
        folder: What to list.
        suffixes: Endings of the names to keep, in lower case.
        field: The setting that names the folder, for the messages.

    Raises:
        InputError: There is no such folder, or it holds no such file.
    """
    if not fileio.isdir(folder):
        raise InputError(f'{folder}: no such folder; set {field} to an existing one')
    names = fileio.list_dir_or_file(folder, list_dir=False, recursive=True)
    found = sorted(name for name in names if name.lower().endswith(tuple(suffixes)))
    if not found:
        endings = ', '.join(f'*{suffix}' for suffix in suffixes)
        raise InputError(f'{folder}: no {endings} in it; check {field}')
    return found


def check_all_exist(paths: Sequence[str], folder: str, what: str) -> None:
    """Raises an InputError that counts and names the paths not under `folder`."""
    # One listing instead of a stat per file: data sets lie on network disks.
    listed = fileio.list_dir_or_file(folder, list_dir=False, recursive=True)
    present = {osp.normpath(osp.join(folder, name)) for name in listed}
    missing = [path for path in paths if osp.normpath(path) not in present]
    if missing:
        raise InputError(
            f'{missing[0]}: no such {what} ({len(missing)} of {len(paths)} are '
            'missing); complete the download or remove their counterparts'
        )


class CheckedFiles:
    """Mixin before a `BaseSegDataset`: its files are checked when it is built.

    Raises:
        InputError: A missing folder, a folder without images, a missing split
            file, or an image without its label.
    """

    def load_data_list(self) -> list[dict]:
        """As the base class, then checked."""
        images = self.data_prefix['img_path']
        list_files(images, [self.img_suffix.lower()], 'data_prefix.img_path')
        if self.ann_file and not fileio.exists(self.ann_file):
            raise InputError(f'{self.ann_file}: no such split file; check ann_file')
        data_list = super().load_data_list()
        if self.ann_file:
            check_all_exist([info['img_path'] for info in data_list], images, 'image')
        labels = self.data_prefix.get('seg_map_path')
        if labels is not None:
            list_files(
                labels, [self.seg_map_suffix.lower()], 'data_prefix.seg_map_path'
            )
            paths = [info['seg_map_path'] for info in data_list]
            check_all_exist(paths, labels, 'label')
        return data_list
