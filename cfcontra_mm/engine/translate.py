"""A copy of a data set in another style."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import (
    barrier,
    get_dist_info,
    get_world_size,
    init_dist,
    is_distributed,
    is_main_process,
)
from mmengine.utils import track_iter_progress
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image
from torch.distributed import ProcessGroup

from cfcontra_mm.datasets.files import IMAGE_SUFFIXES, list_files
from cfcontra_mm.datasets.stylize import naming, read_picture
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.translation import (
    AdaINStyleTransfer,
    Statistics,
    picture_statistics,
    translate_picture,
)
from cfcontra_mm.version import __version__

from .launch import init_distributed

DIRECTIONS = ('source_to_target', 'target_to_source', 'both_to_style')

STYLE_REUSE = 10
"""Pictures that share a style picture.

Encoding a style costs half of a translation; shared by ten it adds about 5 %.
"""

MIN_STYLES = 16
"""Style pictures of a small data set."""

# Level 3 is three times as fast as Pillow's 6 for files 3 to 8 % larger (CamVid): on a
# GPU translating is faster than packing. JPEG keeps the chroma at full resolution.
FORMATS = {
    '.png': dict(format='PNG', compress_level=3),
    '.jpg': dict(format='JPEG', quality=95, subsampling=0),
    '.jpeg': dict(format='JPEG', quality=95, subsampling=0),
}

MANIFEST, UNFINISHED = 'translation.json', 'translation.unfinished.json'

Item = TypeVar('Item')


@dataclass(frozen=True)
class Options:
    """What to translate, and how.

    Args:
        direction: One of ``DIRECTIONS``.
        styles: Folder of the third style's pictures, for 'both_to_style' alone.
        alpha: Share of the style, from 0 to 1.
        preserve_color: Whether only the luminance takes the style.
        seed: Of the choice of style pictures.

    Raises:
        InputError: They do not go together, or are out of range.
    """

    direction: str = DIRECTIONS[0]
    styles: str | None = None
    alpha: float = 1.0
    preserve_color: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InputError(f'--alpha: must be in 0-1, not {self.alpha}')
        if self.seed < 0:
            raise InputError(f'--seed: must be at least 0, not {self.seed}')
        third = self.direction == 'both_to_style'
        if third and self.styles is None:
            raise InputError('--styles: name the folder of the third style')
        if not third and self.styles is not None:
            raise InputError(
                f'--styles: {self.direction} takes the styles from the other domain; '
                'leave it out or choose --direction both_to_style'
            )


class _Plan(NamedTuple):
    """What goes where; the names are relative to the copy's folder."""

    pictures: dict[str, str]
    """Name -> picture to translate."""
    styles: dict[str, str]
    """Name -> picture that lends its style."""
    links: dict[str, Path]
    """Name -> folder that is the copy's as it is the original's."""
    folders: list[str]
    """Where the pictures to translate lie, and the styles."""


class _Job(NamedTuple):
    picture: str
    style: str
    copy: Path


def init_processes(launcher: str, local_rank: str | None) -> None:
    """Let several processes share the work, each on its own GPU where there are some.

    Args:
        launcher: One of ``LAUNCHERS`` in ``cfcontra_mm.engine.launch``.
        local_rank: This process on its machine, if the launcher passes it.

    Raises:
        InputError: There are fewer GPUs than processes.
    """
    init_distributed(Config(), launcher, local_rank)
    if launcher != 'none' and not is_distributed():
        # No tensor is ever exchanged, so NCCL has nothing to do.
        init_dist(launcher, backend='gloo')


def translate_dataset(
    cfg: Config,
    model: AdaINStyleTransfer,
    checkpoint: str | Path,
    out: str | Path,
    options: Options,
) -> None:
    """Write the copy of a data set in another style.

    The copy has the original's layout, so a config reads it once ``data_root`` names
    it. A picture gets its name when it is whole, the manifest its own when all are
    there; a second call goes on where the first was interrupted. The bytes depend on
    neither the number of processes nor that of threads.

    Args:
        cfg: Config whose training data are translated.
        model: The translator.
        checkpoint: Where it was read from, for the manifest.
        out: Folder to write to: a new one, an empty one or that of the same call.
        options: What to translate, and how.

    Raises:
        InputError: The data or ``out`` cannot be used. Or pictures cannot be read; all
            others are written then.
    """
    out = Path(out)
    plan = _plan(cfg, out, options)
    manifest = _manifest(cfg, checkpoint, options, plan)
    finished = _check_out(out, manifest)
    jobs = [_Job(plan.pictures[n], style, out / n) for n, style in plan.styles.items()]
    if finished and all(job.copy.exists() for job in jobs):
        _say(f'{out}: complete, nothing to do')
        return
    group = _patient_group()
    barrier()  # What is checked above changes below.
    if is_main_process():
        _begin(out, manifest, plan.links)
    barrier()
    # Shared out before those of an earlier call are left aside: a network disk may not
    # yet show the same files everywhere.
    missing = [job for job in _own(jobs) if not job.copy.exists()]
    problems = _gather(_translate(model, missing, options), group)
    if problems:
        raise InputError(
            f'{"; ".join(problems)}; the other pictures are translated: repair these '
            'and run it again'
        )
    if is_main_process():
        os.replace(out / UNFINISHED, out / MANIFEST)
    _say(f'{out}: {len(plan.pictures)} pictures translated')


def _plan(cfg: Config, out: Path, options: Options) -> _Plan:
    """What to do, all of it checked as far as can be without opening pictures."""
    originals = _originals(cfg, options.direction)
    style_folder, styles = _styles(cfg, options)
    folders = [*(o.data_prefix['img_path'] for o in originals.values()), style_folder]
    pictures: dict[str, str] = {}
    links: dict[str, Path] = {}
    for place, dataset in originals.items():
        own, beside = _layout(dataset, out)
        for picture in _pictures(dataset):
            name = os.path.relpath(picture, dataset.data_prefix['img_path'])
            pictures[Path(place, own, name).as_posix()] = picture
        links |= {Path(place, name).as_posix(): to for name, to in beside.items()}
    _check_place(out, folders, pictures.values())
    return _Plan(
        pictures, assign_styles(pictures, styles, options.seed), links, folders
    )


def _originals(cfg: Config, direction: str) -> dict[str, BaseSegDataset]:
    """Each data set to copy, by its place in the output."""
    if direction == 'both_to_style':
        return {domain: _build(cfg, domain) for domain in DOMAINS}
    return {'': _build(cfg, direction.split('_')[0])}


def _styles(cfg: Config, options: Options) -> tuple[str, list[str]]:
    """A folder and the pictures of it that can lend their style."""
    if options.styles is not None:
        names = list_files(options.styles, IMAGE_SUFFIXES, '--styles')
        return options.styles, [os.path.join(options.styles, name) for name in names]
    lender = _build(cfg, options.direction.split('_')[2])
    return lender.data_prefix['img_path'], _pictures(lender)


def _build(cfg: Config, domain: str) -> BaseSegDataset:
    loader = cfg.get('train_dataloader') or {}
    dataset = loader.get('dataset', {}).get(domain)
    field = f'train_dataloader.dataset.{domain}'
    if dataset is None:
        raise InputError(f'{cfg.filename}: sets no {field}; name one of configs/adain')
    if isinstance(dataset, list | tuple):
        if len(dataset) != 1:
            raise InputError(
                f'{cfg.filename}: {field} lists {len(dataset)} data sets; translate '
                'them one by one, from a config for each'
            )
        dataset = dataset[0]
    return DATASETS.build(dict(dataset, pipeline=[], serialize_data=False))


def _pictures(dataset: BaseSegDataset) -> list[str]:
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def _layout(dataset: BaseSegDataset, out: Path) -> tuple[Path, dict[str, Path]]:
    """Where the pictures go and, by their names, the folders that come along."""
    folder = Path(dataset.data_prefix['img_path']).absolute()
    root = Path(dataset.data_root or folder).absolute()
    if root == folder or not folder.is_relative_to(root):
        return Path(folder.name), _labels(dataset, folder.name)
    own = folder.relative_to(root)
    beside = {
        entry.name: entry
        for entry in sorted(root.iterdir())
        if entry.is_dir() and entry.name != own.parts[0] and not _within(out, entry)
    }
    return own, beside


def _labels(dataset: BaseSegDataset, taken: str) -> dict[str, Path]:
    folder = dataset.data_prefix.get('seg_map_path')
    if not folder:
        return {}
    name = Path(folder).absolute().name
    # Both may be called, say, train.
    return {f'{name}_labels' if name == taken else name: Path(folder)}


def _within(path: str | Path, folder: str | Path) -> bool:
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def _check_place(out: Path, folders: list[str], pictures: Iterable[str]) -> None:
    for folder in folders:
        if _within(out, folder):
            raise InputError(
                f'{out}: --out lies in {folder}, which is read; choose another'
            )
    for picture in pictures:
        if Path(picture).suffix.lower() not in FORMATS:
            raise InputError(
                f'{picture}: cannot be written again, only {", ".join(FORMATS)}; '
                'convert the pictures'
            )


def assign_styles(
    pictures: Iterable[str], styles: Sequence[str], seed: int
) -> dict[str, str]:
    """The style picture of each picture, drawn at random.

    So few are drawn that each serves about ``STYLE_REUSE`` pictures, but at least
    ``MIN_STYLES`` if there are as many, and each serves equally many, give or take one.

    Args:
        pictures: Names of the pictures to translate.
        styles: Pictures that lend their style.
        seed: Of the draw.

    Returns:
        Name -> style picture, in the order of the sorted names.
    """
    names = sorted(pictures)
    random = np.random.default_rng(seed)
    number = max(MIN_STYLES, math.ceil(len(names) / STYLE_REUSE))
    drawn = random.choice(sorted(styles), min(number, len(styles)), replace=False)
    turns = random.permutation(len(names)) % len(drawn)
    return {name: str(drawn[turn]) for name, turn in zip(names, turns, strict=True)}


def _manifest(
    cfg: Config, checkpoint: str | Path, options: Options, plan: _Plan
) -> dict:
    """All that the copy depends on, as JSON knows it."""
    manifest = dict(
        version=__version__,
        model=cfg.model,
        checkpoint_sha256=hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest(),
        **asdict(options),
        folders=plan.folders,
        pictures=plan.styles,
    )
    return json.loads(json.dumps(manifest))


def _check_out(out: Path, manifest: dict) -> bool:
    """Whether the folder holds this translation finished.

    Raises:
        InputError: It cannot be made, or holds something else.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f'{out}: no folder can be made there ({error.strerror}); choose another '
            '--out'
        ) from error
    for name in (MANIFEST, UNFINISHED):
        if (out / name).exists():
            _check_same(out / name, manifest)
            return name == MANIFEST
    for entry in sorted(out.iterdir()):
        if entry != _temporary(out / UNFINISHED):
            raise InputError(
                f'{entry}: is of no translation; choose a new or empty folder for --out'
            )
    return False


def _check_same(path: Path, manifest: dict) -> None:
    try:
        theirs = dict(json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise InputError(f'{path}: no manifest; choose another --out') from error
    for field in manifest | theirs:
        if field not in theirs or manifest.get(field) != theirs[field]:
            raise InputError(
                f'{path}: of another translation ({field} differs); choose another '
                '--out or delete the folder'
            )


def _begin(out: Path, manifest: dict, links: dict[str, Path]) -> None:
    """Leave an unfinished manifest and all that is linked."""
    (out / MANIFEST).unlink(missing_ok=True)
    temporary = _temporary(out / UNFINISHED)
    temporary.write_text(json.dumps(manifest, indent=1) + '\n')
    os.replace(temporary, out / UNFINISHED)
    for name, folder in links.items():
        if not os.path.lexists(out / name):
            _link(out / name, folder)


def _link(link: Path, folder: Path) -> None:
    """Link a folder; copy it where the file system has no links."""
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(folder.resolve(), target_is_directory=True)
    except OSError:
        temporary = _temporary(link)
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
        os.replace(temporary, link)


def _temporary(path: Path) -> Path:
    return path.with_name(f'.{path.name}.tmp')


def _own(jobs: list[_Job]) -> list[_Job]:
    """This process's share: all pictures of some styles, style by style."""
    rank, world_size = get_dist_info()
    styles = set(sorted({job.style for job in jobs})[rank::world_size])
    own = [job for job in jobs if job.style in styles]
    return sorted(own, key=lambda job: job.style)


def _translate(
    model: AdaINStyleTransfer, jobs: list[_Job], options: Options
) -> list[str]:
    """Write the copies that are not there; returns what is wrong with the others."""
    # Or cuDNN would choose another way of summing up in another run.
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    model.to(get_device())
    problems: list[str] = []
    # Beside the translation; torch has counted the cores that this process may use.
    workers = max(2, torch.get_num_threads())
    with ThreadPoolExecutor(workers) as pool:
        read = _with_progress(_ahead(_read(pool, jobs), 2 * workers), len(jobs))
        translated = _translated(model, read, options, problems)
        writing = (pool.submit(_write, picture, copy) for picture, copy in translated)
        for written in _ahead(writing, 2 * workers):
            written.result()
    return problems


def _ahead(items: Iterable[Item], number: int) -> Iterator[Item]:
    """The items, each drawn so many places before it is asked for."""
    window: deque[Item] = deque()
    for item in items:
        window.append(item)
        if len(window) > number:
            yield window.popleft()
    yield from window


def _read(
    pool: ThreadPoolExecutor, jobs: Iterable[_Job]
) -> Iterator[tuple[_Job, Future, Future]]:
    """Each job with its picture and its style, which the pool reads."""
    # Jobs of one style follow each other, so that it is read once.
    read_style = lru_cache(maxsize=1)(partial(pool.submit, read_picture))
    for job in jobs:
        yield job, pool.submit(read_picture, job.picture), read_style(job.style)


def _with_progress(items: Iterator[Item], number: int) -> Iterator[Item]:
    if number and is_main_process():
        return track_iter_progress((items, number))
    return items


def _translated(
    model: AdaINStyleTransfer,
    read: Iterable[tuple[_Job, Future, Future]],
    options: Options,
    problems: list[str],
) -> Iterator[tuple[np.ndarray, Path]]:
    """Translated pictures and their places; what cannot be is added to ``problems``."""

    @lru_cache(maxsize=1)
    def statistics(path: str, style: Future) -> Statistics:
        picture = style.result()
        with naming(path):
            return picture_statistics(model, picture)

    for job, picture, style in read:
        try:
            wanted, pixels = statistics(job.style, style), picture.result()
            with naming(job.picture):
                translated = translate_picture(
                    model, pixels, wanted, options.alpha, options.preserve_color
                )
        except InputError as error:
            problems.append(str(error))
        else:
            yield translated, job.copy


def _write(picture: np.ndarray, path: Path) -> None:
    """Write RGB, uint8, (H, W, 3); the file gets its name when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    Image.fromarray(picture).save(temporary, **FORMATS[path.suffix.lower()])
    os.replace(temporary, path)


def _patient_group() -> ProcessGroup | None:
    """A group that waits for the slowest process; others give up in half an hour."""
    if not is_distributed():
        return None
    return torch.distributed.new_group(backend='gloo', timeout=timedelta(days=365))


def _gather(problems: list[str], group: ProcessGroup | None) -> list[str]:
    """The problems of all processes, each once, when all have come here."""
    everyones = [problems]
    if group is not None:
        everyones = [[] for _ in range(get_world_size())]
        torch.distributed.all_gather_object(everyones, problems, group=group)
    return list(dict.fromkeys(itertools.chain.from_iterable(everyones)))


def _say(line: str) -> None:
    if is_main_process():
        print(line, flush=True)
