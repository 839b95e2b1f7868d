"""Check the files of a data set once, when it is built."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence

from mmengine import fileio
from mmseg.datasets import BaseSegDataset

from cfcontra_mm.errors import InputError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')


def list_files(folder: str, suffixes: Sequence[str], field: str) -> list[str]:
    """List the files of a folder and its subfolders.

    Args:
        folder: The folder to list.
        suffixes: File suffixes to keep, in lower case.
        field: The setting that names the folder, for error messages.

    Returns:
        The paths relative to the folder, sorted.

    Raises:
        InputError: The folder does not exist or holds no file with these suffixes.
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
    """Make sure that all paths exist.

    Args:
        paths: Paths of files.
        folder: The folder that holds them all.
        what: What the files are, for the error message.

    Raises:
        InputError: Files are missing; it names the first and counts them.
    """
    # One listing instead of a stat per file: data sets often lie on network disks.
    listed = fileio.list_dir_or_file(folder, list_dir=False, recursive=True)
    present = {osp.normpath(osp.join(folder, name)) for name in listed}
    missing = [path for path in paths if osp.normpath(path) not in present]
    if missing:
        raise InputError(
            f'{missing[0]}: no such {what} ({len(missing)} of {len(paths)} are '
            'missing); complete the download or remove their counterparts'
        )


class CheckedFiles(BaseSegDataset):
    """Base of the raw data sets: check that all files exist when the set is built.

    Raises:
        InputError: A folder or the split file is missing, a folder is empty, or an
            image has no label.
    """

    def load_data_list(self) -> list[dict]:
        """Return the paths of images and labels after checking that they exist."""
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
