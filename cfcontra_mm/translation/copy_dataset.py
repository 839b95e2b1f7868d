"""Write a copy of a data set in another style."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar, cast

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import (
    barrier,
    get_dist_info,
    get_world_size,
    is_distributed,
    is_main_process,
)
from mmengine.utils import track_iter_progress
from torch.distributed import ProcessGroup

from cfcontra_mm.errors import InputError
from cfcontra_mm.images import read_image
from cfcontra_mm.version import __version__

from .adain import AdaINStyleTransfer
from .copy_folder import (
    MANIFEST,
    UNFINISHED,
    begin_copy,
    check_output_folder,
    write_image,
)
from .copy_plan import Options, Plan, make_plan
from .images import (
    Statistics,
    image_statistics,
    prefix_errors,
    translate_image,
)

MAX_WORKERS = 8
"""Images in memory at once; VGG-19 needs about 3 GB for one of GTA5."""

Item = TypeVar('Item')


class _Job(NamedTuple):
    image: str
    style: str
    copy: Path


def translate_dataset(
    cfg: Config,
    model: AdaINStyleTransfer,
    checkpoint: str | Path,
    out: str | Path,
    options: Options,
) -> None:
    """Write a copy of a data set in another style.

    The copy has the layout of the original: set ``data_root`` to it to train on it.
    Each image is written atomically, and the manifest gets its final name once all are
    there, so a second call resumes where the first was interrupted. The bytes written
    depend neither on the number of processes nor on that of threads.

    Args:
        cfg: Config that names the training data to translate.
        model: The translator.
        checkpoint: The file it was loaded from, for the manifest.
        out: Folder to write to: new, empty, or that of an earlier call with the same
            arguments.
        options: What to translate, and how.

    Raises:
        InputError: The data or ``out`` cannot be used, or some images cannot be read;
            all others are written nevertheless.
    """
    out = Path(out)
    plan = make_plan(cfg, out, options)
    manifest = _manifest(cfg, checkpoint, options, plan)
    finished = check_output_folder(out, manifest)
    jobs = [_Job(plan.images[n], style, out / n) for n, style in plan.styles.items()]
    if finished and all(job.copy.exists() for job in jobs):
        _print_once(f'{out}: complete, nothing to do')
        return
    group = _group_without_timeout()
    barrier()  # The main process changes below what all have checked above.
    if is_main_process():
        begin_copy(out, manifest, plan.links)
    barrier()
    # First divided among the processes, then filtered: a network disk may not yet show
    # the same files to all of them.
    missing = [job for job in _own_share(jobs) if not job.copy.exists()]
    problems = _gather(_translate(model, missing, options), group)
    if problems:
        raise InputError(
            f'{"; ".join(problems)}; all other images are translated: repair these and '
            'run the command again'
        )
    if is_main_process():
        os.replace(out / UNFINISHED, out / MANIFEST)
    _print_once(f'{out}: {len(plan.images)} images translated')


def _manifest(
    cfg: Config, checkpoint: str | Path, options: Options, plan: Plan
) -> dict:
    """Return all that the copy depends on, in the types of JSON."""
    manifest = dict(
        version=__version__,
        model=cfg.model,
        checkpoint_sha256=hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest(),
        **asdict(options),
        folders=plan.folders,
        pictures=plan.styles,
    )
    return json.loads(json.dumps(manifest))


def _own_share(jobs: list[_Job]) -> list[_Job]:
    """Return the jobs of this process: all images of some styles, style by style."""
    rank, world_size = get_dist_info()
    styles = set(sorted({job.style for job in jobs})[rank::world_size])
    own = [job for job in jobs if job.style in styles]
    return sorted(own, key=lambda job: job.style)


def _translate(
    model: AdaINStyleTransfer, jobs: list[_Job], options: Options
) -> list[str]:
    """Write the copies; return an error message for each that cannot be written."""
    # Otherwise cuDNN may sum in another order in another run.
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    model.to(get_device())
    workers = _share_threads()
    translator = _Translator(model, options)
    with ThreadPoolExecutor(workers) as pool:
        futures = (pool.submit(translator.translate, job) for job in jobs)
        done = _with_progress(_prefetched(futures, 2 * workers), len(jobs))
        problems = [future.result() for future in done]
    return [problem for problem in problems if problem]


def _share_threads() -> int:
    """Return the number of images to translate at once, and divide the threads.

    Threads that share an image wait for each other at every layer, and for files.
    """
    if torch.cuda.is_available():
        return MAX_WORKERS
    threads = torch.get_num_threads()
    workers = min(threads, MAX_WORKERS)
    torch.set_num_threads(threads // workers)
    return workers


class _Translator:
    """Translate images in several threads, encoding each style once.

    Args:
        model: The translator.
        options: How to translate.
    """

    def __init__(self, model: AdaINStyleTransfer, options: Options) -> None:
        self.model, self.options = model, options
        # One image at a time keeps a GPU busy; several would fill its memory.
        self.gpu_lock = Lock() if torch.cuda.is_available() else nullcontext()
        self.style_lock = Lock()
        # Jobs are sorted by style: all threads together work on at most two.
        self.statistics = lru_cache(maxsize=2)(self._statistics)

    def translate(self, job: _Job) -> str | None:
        """Write one copy; return an error message if that is impossible."""
        try:
            image = read_image(job.image)
            with self.style_lock:
                style = self.statistics(job.style)
            with prefix_errors(job.image), self.gpu_lock:
                translated = translate_image(
                    self.model, image, style, self.options.alpha
                )
        except InputError as error:
            return str(error)
        write_image(translated, job.copy)
        return None

    def _statistics(self, path: str) -> Statistics:
        image = read_image(path)
        with prefix_errors(path), self.gpu_lock:
            return image_statistics(self.model, image)


def _prefetched(items: Iterable[Item], number: int) -> Iterator[Item]:
    """Yield the items, prefetching ``number`` of them."""
    queue: deque[Item] = deque()
    for item in items:
        queue.append(item)
        if len(queue) > number:
            yield queue.popleft()
    yield from queue


def _with_progress(items: Iterator[Item], number: int) -> Iterator[Item]:
    if number and is_main_process():
        return track_iter_progress((items, number))
    return items


def _group_without_timeout() -> ProcessGroup | None:
    """Make a group that waits for the slowest process; the default one times out."""
    if not is_distributed():
        return None
    group = torch.distributed.new_group(backend='gloo', timeout=timedelta(days=365))
    return cast(ProcessGroup, group)  # an integer only in processes outside of it


def _gather(problems: list[str], group: ProcessGroup | None) -> list[str]:
    """Wait for all processes and return the problems of all, without duplicates."""
    gathered = [problems]
    if group is not None:
        gathered = [[] for _ in range(get_world_size())]
        torch.distributed.all_gather_object(gathered, problems, group=group)
    return list(dict.fromkeys(itertools.chain.from_iterable(gathered)))


def _print_once(line: str) -> None:
    if is_main_process():
        print(line, flush=True)
