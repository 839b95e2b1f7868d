"""Check all data of a config before training: files, sizes, labels, and overlap."""

from __future__ import annotations

import filecmp
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from cfcontra_mm.datasets.check_cache import (
    fingerprint,
    keep_report,
    read_report,
    stat_files,
)
from cfcontra_mm.datasets.check_labels import (
    LabelReader,
    class_table,
    count_labels,
    label_warnings,
    sampled,
)
from cfcontra_mm.datasets.domain import refuse_labels
from cfcontra_mm.datasets.folders import nested_dicts
from cfcontra_mm.datasets.parallel import in_threads
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.images import Header, read_header, read_image

LOADERS = dict(
    training='train_dataloader', validation='val_dataloader', test='test_dataloader'
)
"""Where the config names data sets, by what they are for."""

APART = {DOMAINS, *product(('training', *DOMAINS), ('validation', 'test'))}
"""Roles of data sets that may share no image. Validation of a translator may."""

COMPARED = 20
"""Number of files that are compared to find a copied data set."""

END_BYTES = 4096
"""Number of bytes at both ends of a file that tell most files apart."""

SHOWN_SIZES = 3
"""Number of image sizes of a data set that the report names."""


def check_data(cfg: Config) -> str:
    """Check all data sets of a config and describe them.

    The header of every image and label is read, and at most ``SAMPLED_LABELS`` images
    and labels of each data set are decoded, as in training; target training labels
    never. The report of data that passed is kept in ``$XDG_CACHE_HOME/cfcontra_mm``
    until the settings of the data or a file change.

    Args:
        cfg: The config, after ``apply_folders``.

    Returns:
        A line for each data set, a table of the classes, and warnings.

    Raises:
        InputError: A file is missing, cannot be read, or is not what the settings say,
            or the data sets overlap.
    """
    nodes = dict(_named_nodes(cfg))
    absent = [] if _is_there(nodes.get('test')) else [nodes.pop('test')]
    parts = [Part(name, node) for name, node in nodes.items()]
    files = stat_files(path for part in parts for path in part.files())
    weights = _class_weights(cfg)
    key = fingerprint((nodes, weights, cfg.get('labelled_target')), files)
    report = read_report(key)
    if report is None:
        _refuse_overlap(parts, files, cfg)
        report = _report(parts, weights)
        keep_report(key, report)
    missing = [f'warning: test: no folder {_folder(node)}' for node in absent]
    return '\n'.join([report, *missing])


class Part:
    """A data set of the config.

    Args:
        name: What it is for, such as ``'source'``.
        node: Its config.

    Raises:
        InputError: The data set cannot be built, or it is a target with labels.
    """

    def __init__(self, name: str, node: dict) -> None:
        self.name, self.node = name, dict(node)
        dataset = DATASETS.build(dict(node, pipeline=[], serialize_data=False))
        if is_target := 'target' in name:
            refuse_labels(dataset)
        self.left_out: str = getattr(dataset, 'left_out', '')
        self.classes = tuple(dataset.metainfo.get('classes') or ())
        self.infos: list[dict] = dataset.data_list
        self.folders: Mapping[str, str] = dataset.data_prefix
        self.reader = LabelReader([] if is_target else node.get('pipeline') or [])

    @property
    def images(self) -> list[str]:
        """Paths of the images."""
        return [info['img_path'] for info in self.infos]

    @property
    def labels(self) -> list[str]:
        """Paths of the labels, if the pipeline reads any."""
        if not self.reader.loads:
            return []
        return [i['seg_map_path'] for i in self.infos if 'seg_map_path' in i]

    def files(self) -> list[str]:
        """Paths of all files that the check depends on."""
        tables = [step.source for step in self.reader.maps]
        others = [*tables, self.node.get('classes', '')]
        return [*self.images, *self.labels, *filter(os.path.isfile, others)]


def _named_nodes(cfg: Config) -> Iterator[tuple[str, dict]]:
    """Yield the configs of all data sets, without wrappers, with their names."""
    seen: list[dict] = []
    for name, loader in LOADERS.items():
        node = (cfg.get(loader) or {}).get('dataset')
        if node is not None and node not in seen:
            seen.append(node)
            yield from _leaves(name, node)


def _is_there(node: dict | None) -> bool:
    """Tell whether there is no test set or its folder exists: training needs none."""
    return node is None or os.path.isdir(_folder(node))


def _folder(node: dict) -> str:
    prefix = (node.get('data_prefix') or {}).get('img_path') or ''
    return os.path.join(node.get('data_root') or '', prefix)


def _leaves(name: str, node: Any) -> Iterator[tuple[str, dict]]:
    if isinstance(node, (list, tuple)):
        for number, part in enumerate(node):
            yield from _leaves(f'{name}[{number}]' if len(node) > 1 else name, part)
    elif not isinstance(node, dict) or 'type' not in node:
        raise InputError(
            f'{name}: must be the config of a data set, with its type, not {node!r}'
        )
    elif node['type'] == 'DomainDataset':
        for domain in DOMAINS:
            whole = domain if name == 'training' else f'{name} {domain}'
            if node.get(domain) is not None:
                yield from _leaves(whole, node[domain])
    elif inner := node.get('datasets') or node.get('dataset'):
        yield from _leaves(name, inner)
    elif _reads_images(node['type']):
        yield name, node


def _reads_images(kind: str | type) -> bool:
    found = DATASETS.get(kind) if isinstance(kind, str) else kind
    return found is None or issubclass(found, BaseSegDataset)  # an unknown one raises


def _refuse_overlap(
    parts: Sequence[Part], files: Mapping[str, os.stat_result], cfg: Config
) -> None:
    """Refuse a target equal to the source, and training on evaluated images.

    What the config calls ``labelled_target``, the source of the oracle and a part of
    few_labels', may have the images of the target.
    """
    for first, second in combinations(parts, 2):
        roles = _role(first.name), _role(second.name)
        if roles not in APART or (roles == DOMAINS and _is_oracle(first, cfg)):
            continue
        if shared := shared_images(first.images, second.images, files):
            raise InputError(
                f'{shared[0]}: is an image of the {first.name} and of the '
                f'{second.name}, as are {len(shared) - 1} more; set other folders for '
                'one of them (the source of an oracle is its labelled_target, see '
                'configs/oracle)'
            )


def _role(name: str) -> str:
    return name.split('[')[0]


def _is_oracle(source: Part, cfg: Config) -> bool:
    labelled = cfg.get('labelled_target') or {}
    keys = ('type', 'data_prefix')
    return all(source.node.get(key) == labelled.get(key) for key in keys)


def shared_images(
    first: Sequence[str], second: Sequence[str], files: Mapping[str, os.stat_result]
) -> list[str]:
    """Return the images of the smaller data set that are in the other one too.

    They are the same files, by links too, or copies under any name: if half of the
    smaller data set has sizes of files of the other, some are compared, and if half of
    these are copies, all.

    Args:
        first: Paths of images.
        second: Paths of images.
        files: Status of each.
    """
    same = {(files[p].st_dev, files[p].st_ino) for p in second}
    shared = [p for p in first if (files[p].st_dev, files[p].st_ino) in same]
    if shared:
        return shared
    small, large = sorted((first, second), key=len)
    sizes = {files[p].st_size for p in large}
    alike = [p for p in small if files[p].st_size in sizes]
    if not alike or 2 * len(alike) < len(small):
        return []
    sample = alike[:: 1 + len(alike) // COMPARED]
    if 2 * len(_copies(sample, large, files)) < len(sample):
        return []
    return _copies(alike, large, files)


def _copies(
    paths: Sequence[str], others: Sequence[str], files: Mapping[str, os.stat_result]
) -> list[str]:
    """Return the files that have the same content as one of the others."""
    sizes = {files[p].st_size for p in paths}
    same_size = [p for p in others if files[p].st_size in sizes]
    ends = in_threads(_ends, same_size, 'files of equal size')
    by_ends = dict(zip(ends, same_size, strict=True))
    pairs = [(p, by_ends.get(_ends(p))) for p in paths]
    return [p for p, copy in pairs if copy and filecmp.cmp(p, copy, shallow=False)]


def _ends(path: str) -> bytes:
    """Return a digest of the first and the last bytes of a file, and of its size."""
    try:
        with open(path, 'rb') as file:
            head, size = file.read(END_BYTES), file.seek(0, os.SEEK_END)
            file.seek(max(0, size - END_BYTES))
            tail = file.read()
    except OSError as error:
        raise InputError(
            f'{path}: cannot be read ({error.strerror}); restore the file'
        ) from error
    return hashlib.sha256(b'%d\n' % size + head + tail).digest()


def _report(parts: Sequence[Part], weights: Sequence[float] | None) -> str:
    """Check headers and labels, and describe the data sets."""
    classes = _one_class_list(parts)
    headers = _read_headers(parts)
    for part in parts:
        _check_labels(part, headers)
        in_threads(read_image, sampled(part.images), f'images of {part.name}')
    counts = {
        part.name: count_labels(
            part.name, part.infos, part.reader, len(classes), part.folders
        )
        for part in parts
        if part.labels
    }
    lines = [_describe(part, headers) for part in parts]
    if counts:
        lines.append(class_table(counts, classes, weights))
    return '\n'.join([*lines, *label_warnings(counts, classes)])


def _one_class_list(parts: Sequence[Part]) -> tuple[str, ...]:
    for part in parts[1:]:
        if part.classes != parts[0].classes:
            raise InputError(
                f'{part.name}: its {len(part.classes)} classes differ from the '
                f'{len(parts[0].classes)} of the {parts[0].name} in name or order; map '
                'both to one class list'
            )
    return parts[0].classes if parts else ()


def _read_headers(parts: Sequence[Part]) -> dict[str, Header]:
    paths = list(dict.fromkeys(p for part in parts for p in part.images + part.labels))
    read = in_threads(_header_or_error, paths, 'headers')
    errors = [found for found in read if isinstance(found, InputError)]
    if errors:
        others = f' (and {len(errors) - 1} other files)' if errors[1:] else ''
        raise InputError(f'{errors[0]}{others}')
    headers = [found for found in read if isinstance(found, Header)]
    return dict(zip(paths, headers, strict=True))


def _header_or_error(path: str) -> Header | InputError:
    try:
        return read_header(path)
    except InputError as error:
        return error


def _check_labels(part: Part, headers: Mapping[str, Header]) -> None:
    for image, label in zip(part.images, part.labels, strict=False):
        part.reader.check_header(label, headers[label], headers[image])


def _describe(part: Part, headers: Mapping[str, Header]) -> str:
    counts = Counter(headers[image].shown_size for image in part.images)
    ranked = counts.most_common(SHOWN_SIZES)
    sizes = [f'{w}x{h} ({n})' for (w, h), n in ranked]
    if len(counts) == 1:
        sizes = [f'{w}x{h}' for w, h in counts]
    if len(counts) > SHOWN_SIZES:
        sizes.append(f'{len(counts) - SHOWN_SIZES} other sizes')
    line = f'{part.name}: {len(part.images)} images, {", ".join(sizes)}'
    left_out = f'\nwarning: {part.left_out}' if part.left_out else ''
    return f'{line} ({part.folders["img_path"]}){left_out}'


def _class_weights(cfg: Config) -> Sequence[float] | None:
    """Return the class weights of the first loss that has any."""
    nodes = nested_dicts(cfg.get('model') or {})
    given = (node.get('class_weight') for node in nodes)
    return next((weights for weights in given if weights is not None), None)
