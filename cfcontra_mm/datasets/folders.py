"""A user's own pair of data sets: folders of images and a class file, no code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmseg.registry import DATASETS

from cfcontra_mm.datasets.classes import ClassTable, read_classes
from cfcontra_mm.datasets.files import IMAGE_SUFFIXES, PairedFiles
from cfcontra_mm.errors import InputError


@DATASETS.register_module()
class FolderDataset(PairedFiles):
    """Images (.png, .jpg, .jpeg) of a folder, and labels (.png) of the same names.

    Subfolders are read too: the image ``a/b.jpg`` has the label ``a/b.png``.

    Args:
        classes: The class file, see ``read_classes``.
        data_prefix: The folders ``img_path`` and, for labelled data, ``seg_map_path``.
        **kwargs: As for mmseg's ``BaseSegDataset``.

    Raises:
        InputError: The class file is wrong; and see ``PairedFiles``.
    """

    image_suffixes = IMAGE_SUFFIXES

    def __init__(self, classes: str, data_prefix: dict, **kwargs: Any) -> None:
        self.classes = classes
        super().__init__(
            metainfo=read_classes(classes).metainfo, data_prefix=data_prefix, **kwargs
        )


def apply_folders(cfg: Config) -> None:
    """Fill in a config from its ``folders``, once ``--cfg-options`` are applied.

    It sets the paths, the class file, the sizes and every ``num_classes`` of the model.
    Without labelled target images it turns off validation and test. Only a source that
    is the config's ``labelled_target`` gets the labels of the target's training images.
    A config without ``folders`` is left as it is.

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
    labelled = cfg.get('labelled_target')
    _apply_domains(cfg.train_dataloader.dataset, folders, labelled)
    if labelled is not None and folders.get('target_labels'):
        labelled.data_prefix = _labelled_prefix(folders, 'target')
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


def _apply_domains(
    dataset: ConfigDict, folders: ConfigDict, labelled: ConfigDict | None = None
) -> None:
    sources = dataset.source if isinstance(dataset.source, list) else [dataset.source]
    for source in sources:
        is_target = labelled and source.get('data_prefix') == labelled.data_prefix
        domain = 'target' if is_target else 'source'
        source.data_prefix = _labelled_prefix(folders, domain)
    dataset.target.data_prefix = dict(img_path=_require(folders, 'target_images'))


def _labelled_prefix(folders: ConfigDict, domain: str) -> dict[str, str]:
    return dict(
        img_path=_require(folders, f'{domain}_images'),
        seg_map_path=_require(folders, f'{domain}_labels'),
    )


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
    for node in nested_dicts(cfg.model):
        if 'num_classes' in node:
            node['num_classes'] = number
        weights = node.get('class_weight')
        if weights is not None and len(weights) != number:
            raise InputError(
                f'class_weight: {len(weights)} weights for the {number} classes of '
                f'{cfg.folders.classes}; give one weight for each class'
            )
    for node in nested_dicts(cfg._cfg_dict):
        if node.get('type') == 'FolderDataset':
            node['classes'] = cfg.folders.classes
        elif node.get('type') == 'MapLabels':
            node['table'] = cfg.folders.classes


def _apply_size(cfg: Config) -> None:
    """Scale every ``Resize`` to ``folders.size``, keeping the ratios between them."""
    old = next(n['scale'] for n in nested_dicts(cfg.test_pipeline) if 'scale' in n)
    factors = [new / length for new, length in zip(cfg.folders.size, old, strict=True)]
    for node in nested_dicts(cfg._cfg_dict):
        if node.get('type') == 'Resize' and 'scale' in node:
            scaled = zip(node['scale'], factors, strict=True)
            node['scale'] = tuple(round(length * factor) for length, factor in scaled)


def nested_dicts(node: object) -> Iterator[dict]:
    """Yield every dict in nested dicts and lists, the outermost first."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from nested_dicts(child)
