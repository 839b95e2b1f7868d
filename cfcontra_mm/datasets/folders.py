"""A user's own pair of data sets: folders of images and a class file, no code."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.config import Config, ConfigDict
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import ExifTags
from prettytable import PrettyTable

from cfcontra_mm.datasets.classes import ClassTable, read_classes
from cfcontra_mm.datasets.files import IMAGE_SUFFIXES, list_files
from cfcontra_mm.datasets.transforms import LoadLabels, MapLabels
from cfcontra_mm.errors import InputError
from cfcontra_mm.images import open_image

SCANNED_IMAGES = 200
"""Number of images of a folder that ``describe_folders`` opens at most."""


@DATASETS.register_module()
class FolderDataset(BaseSegDataset):
    """Images (.png, .jpg, .jpeg) of a folder, and labels (.png) of the same names.

    Subfolders are read too: the image ``a/b.jpg`` has the label ``a/b.png``.

    Args:
        classes: The class file, see ``read_classes``.
        data_prefix: The folders ``img_path`` and, for labelled data, ``seg_map_path``.
        **kwargs: As for mmseg's ``BaseSegDataset``.

    Raises:
        InputError: The class file is wrong, a folder is missing or empty, two images
            have the same name, or an image has no label.
    """

    def __init__(self, classes: str, data_prefix: dict, **kwargs: object) -> None:
        self.classes = classes
        super().__init__(
            metainfo=read_classes(classes).metainfo, data_prefix=data_prefix, **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """Return the paths of the images and their labels."""
        folder = self.data_prefix['img_path']
        images = _by_stem(folder, IMAGE_SUFFIXES, 'the images folder')
        infos = {stem: dict(img_path=path) for stem, path in images.items()}
        if 'seg_map_path' in self.data_prefix:
            folder = self.data_prefix['seg_map_path']
            labels = _by_stem(folder, ['.png'], 'the labels folder')
            missing = sorted(set(infos) - set(labels))
            if missing:
                raise InputError(
                    f'{images[missing[0]]}: no label {missing[0]}.png in {folder} '
                    f'({len(missing)} of {len(images)} images have none); add labels '
                    'or remove the images'
                )
            for stem, info in infos.items():
                info['seg_map_path'] = labels[stem]
        # The keys that MMSegmentation's transforms expect.
        common = dict(label_map=None, reduce_zero_label=False)
        return [dict(info, seg_fields=[], **common) for info in infos.values()]


def _by_stem(folder: str, suffixes: Sequence[str], field: str) -> dict[str, str]:
    """List the files of a folder by their relative path without suffix."""
    found: dict[str, str] = {}
    for name in list_files(folder, suffixes, field):
        stem, path = osp.splitext(name)[0], osp.join(folder, name)
        if stem in found:
            raise InputError(f'{path}: duplicate name, as {found[stem]}; remove one')
        found[stem] = path
    return found


def apply_folders(cfg: Config) -> None:
    """Fill in a config from its ``folders``, once ``--cfg-options`` are applied.

    It sets the paths, the class file, the sizes and every ``num_classes`` of the model.
    Without labelled target images it turns off validation and test. A config without
    ``folders`` is left as it is.

    Args:
        cfg: The config, changed in place.

    Raises:
        InputError: A field of ``folders`` is missing or wrong.
    """
    if 'folders' not in cfg:
        return
    folders = cfg.folders
    classes = read_classes(_require(folders, 'classes'))
    _check_size(folders)
    _apply_domains(cfg.train_dataloader.dataset, folders)
    if _validates_on_domains(cfg):
        _apply_domains(cfg.val_dataloader.dataset, folders)
    else:
        _apply_validation(cfg)
    _apply_classes(cfg, classes)
    _apply_size(cfg)


def _require(folders: ConfigDict, field: str) -> str:
    if not folders.get(field):
        raise InputError(
            f'folders.{field}: is not set; set it with --cfg-options '
            f'folders.{field}=PATH or in the config'
        )
    return folders[field]


def _apply_domains(dataset: ConfigDict, folders: ConfigDict) -> None:
    dataset.source.data_prefix = dict(
        img_path=_require(folders, 'source_images'),
        seg_map_path=_require(folders, 'source_labels'),
    )
    dataset.target.data_prefix = dict(img_path=_require(folders, 'target_images'))


def _validates_on_domains(cfg: Config) -> bool:
    """Tell whether validation reads both domains without labels, as a translator's."""
    loader = cfg.get('val_dataloader')
    return loader is not None and loader.dataset.type == 'DomainDataset'


def _check_size(folders: ConfigDict) -> None:
    size = folders.get('size')
    is_pair = isinstance(size, (list, tuple)) and len(size) == 2
    if not is_pair or not all(type(n) is int and n > 0 for n in size):
        raise InputError(
            f'folders.size: must be width,height in pixels, not {size!r}; set it with '
            '--cfg-options folders.size=512,256'
        )


def _apply_validation(cfg: Config) -> None:
    folders = cfg.folders
    if not folders.get('val_images') and not folders.get('val_labels'):
        for part in ('dataloader', 'cfg', 'evaluator'):
            cfg[f'val_{part}'] = cfg[f'test_{part}'] = None
        return
    if cfg.val_dataloader is None:
        raise InputError(
            'folders.val_images: the config was saved by a run without validation; '
            'use the original config'
        )
    prefix = dict(
        img_path=_require(folders, 'val_images'),
        seg_map_path=_require(folders, 'val_labels'),
    )
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_prefix = prefix


def _apply_classes(cfg: Config, classes: ClassTable) -> None:
    number = len(classes.names)
    for node in _dicts(cfg.model):
        if 'num_classes' in node:
            node['num_classes'] = number
        weights = node.get('class_weight')
        if weights is not None and len(weights) != number:
            raise InputError(
                f'class_weight: {len(weights)} weights for the {number} classes of '
                f'{cfg.folders.classes}; give one weight for each class'
            )
    for node in _dicts(cfg._cfg_dict):
        if node.get('type') == 'FolderDataset':
            node['classes'] = cfg.folders.classes
        elif node.get('type') == 'MapLabels':
            node['table'] = cfg.folders.classes


def _apply_size(cfg: Config) -> None:
    """Scale every ``Resize`` to ``folders.size``, keeping the ratios between them."""
    old = next(n['scale'] for n in _dicts(cfg.test_pipeline) if 'scale' in n)
    factors = [new / length for new, length in zip(cfg.folders.size, old, strict=True)]
    for node in _dicts(cfg._cfg_dict):
        if node.get('type') == 'Resize' and 'scale' in node:
            scaled = zip(node['scale'], factors, strict=True)
            node['scale'] = tuple(round(length * factor) for length, factor in scaled)


def _dicts(node: object) -> Iterator[dict]:
    """Yield every dict in nested dicts and lists, the outermost first."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _dicts(child)


def describe_folders(cfg: Config) -> str:
    """Describe the counts, sizes and class shares of a user's data before training.

    At most ``SCANNED_IMAGES`` images of each folder are opened, evenly spaced; their
    labels are checked as in training. Call it after ``apply_folders``.

    Args:
        cfg: The config.

    Returns:
        A line for each folder, a table of the source's classes and a warning about
        classes that do not occur in it.

    Raises:
        InputError: As for the data sets and ``MapLabels``.
    """
    train = cfg.train_dataloader.dataset
    folders = dict(source=train.source, target=train.target)
    if cfg.val_dataloader is not None and not _validates_on_domains(cfg):
        folders['validation'] = cfg.val_dataloader.dataset
    lines = []
    for name, folder in folders.items():
        dataset = DATASETS.build(dict(folder, pipeline=[], serialize_data=False))
        infos = _evenly_spaced(dataset)
        counts = _class_counts(infos, dataset)
        place = dataset.data_prefix['img_path']
        lines.append(f'{name}: {len(dataset)} images, {_sizes(infos)} ({place})')
        if name == 'source':
            report = _class_report(counts, dataset.metainfo['classes'], _weights(cfg))
    return '\n'.join([*lines, report])


def _evenly_spaced(dataset: FolderDataset) -> list[dict]:
    number = min(SCANNED_IMAGES, len(dataset))
    indices = np.linspace(0, len(dataset) - 1, number).round().astype(int)
    return [dataset.get_data_info(int(index)) for index in indices]


def _image_size(path: str) -> tuple[int, int]:
    """Read the width and height, rotated as by ``LoadImage``, without decoding."""
    with open_image(path) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return image.size[::-1] if turned else image.size


def _sizes(infos: list[dict]) -> str:
    counts = Counter(_image_size(info['img_path']) for info in infos)
    (width, height), _ = counts.most_common(1)[0]
    others = f' and {len(counts) - 1} other sizes' if len(counts) > 1 else ''
    return f'{width}x{height}{others}'


def _class_counts(infos: list[dict], dataset: FolderDataset) -> np.ndarray:
    """Count the pixels of each class in each labelled image, (images, C)."""
    labelled = [info for info in infos if 'seg_map_path' in info]
    load, number = LoadLabels(), len(dataset.metainfo['classes'])
    to_classes = MapLabels(dataset.classes)
    counts = np.zeros((len(labelled), number), np.int64)
    for row, info in zip(counts, labelled, strict=True):
        size = _image_size(info['img_path'])
        label = to_classes(load(dict(info, ori_shape=size[::-1])))['gt_seg_map']
        row[:] = np.bincount(label.ravel(), minlength=256)[:number]
    return counts


def _weights(cfg: Config) -> Sequence[float] | None:
    """Return the class weights of the first loss that has any."""
    given = (node.get('class_weight') for node in _dicts(cfg.model))
    return next((weights for weights in given if weights is not None), None)


def _class_report(
    counts: np.ndarray, classes: Sequence[str], weights: Sequence[float] | None
) -> str:
    total = counts.sum()
    if total == 0:
        raise InputError(
            'folders.source_labels: the scanned labels have no pixel of any class; '
            'check the label values in folders.classes'
        )
    shares, images = counts.sum(0) / total, (counts > 0).sum(0)
    table = PrettyTable(['class', 'share of pixels (%)', 'in images', 'weight'])
    table.align = 'r'
    table.align['class'] = 'l'
    for index, name in enumerate(classes):
        weight = 1.0 if weights is None else weights[index]
        table.add_row([name, f'{100 * shares[index]:.2f}', images[index], weight])
    lines = [f'source classes, from {len(counts)} labels:', str(table)]
    absent = [name for name, number in zip(classes, images, strict=True) if not number]
    if absent:
        lines.append(
            f'warning: the scanned source labels have no {", ".join(absent)}; classes '
            'without labels are not learnt'
        )
    return '\n'.join(lines)
