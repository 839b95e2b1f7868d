"""A copy of a data set in another style."""

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
from typing import NamedTuple, TypeVar

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
from cfcontra_mm.version import __version__

from .adain import AdaINStyleTransfer
from .copy_folder import MANIFEST, UNFINISHED, begin_copy, check_out, write_picture
from .copy_plan import Options, Plan, make_plan
from .images import (
    Statistics,
    naming,
    picture_statistics,
    read_picture,
    translate_picture,
)

MAX_WORKERS = 8
"""Pictures in memory at once; VGG-19 takes some 3 GB for one of GTA5."""

Item = TypeVar('Item')


class _Job(NamedTuple):
    picture: str
    style: str
    copy: Path


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
    plan = make_plan(cfg, out, options)
    manifest = _manifest(cfg, checkpoint, options, plan)
    finished = check_out(out, manifest)
    jobs = [_Job(plan.pictures[n], style, out / n) for n, style in plan.styles.items()]
    if finished and all(job.copy.exists() for job in jobs):
        _say(f'{out}: complete, nothing to do')
        return
    group = _patient_group()
    barrier()  # What is checked above changes below.
    if is_main_process():
        begin_copy(out, manifest, plan.links)
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


def _manifest(
    cfg: Config, checkpoint: str | Path, options: Options, plan: Plan
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
    workers = _share_threads()
    translator = _Translator(model, options)
    with ThreadPoolExecutor(workers) as pool:
        done = (pool.submit(translator.translate, job) for job in jobs)
        done = _with_progress(_ahead(done, 2 * workers), len(jobs))
        problems = [future.result() for future in done]
    return [problem for problem in problems if problem]


def _share_threads() -> int:
    """Pictures to work on at once; the CPU's threads are divided among them.

    Threads that share a picture wait for each other at every layer, and for files.
    """
    if torch.cuda.is_available():
        return MAX_WORKERS
    threads = torch.get_num_threads()
    workers = min(threads, MAX_WORKERS)
    torch.set_num_threads(threads // workers)
    return workers


class _Translator:
    """Translates pictures in several threads, each style encoded once.

    Args:
        model: The translator.
        options: How to translate.
    """

    def __init__(self, model: AdaINStyleTransfer, options: Options) -> None:
        self.model, self.options = model, options
        # One picture at a time fills a GPU, several its memory.
        self.turn = Lock() if torch.cuda.is_available() else nullcontext()
        self.style_turn = Lock()
        # Jobs of one style follow each other: the threads meet at most two.
        self.statistics = lru_cache(maxsize=2)(self._statistics)

    def translate(self, job: _Job) -> str | None:
        """Write one copy; returns what is wrong if it cannot be."""
        try:
            picture = read_picture(job.picture)
            with self.style_turn:
                style = self.statistics(job.style)
            with naming(job.picture), self.turn:
                translated = translate_picture(
                    self.model,
                    picture,
                    style,
                    self.options.alpha,
                )
        except InputError as error:
            return str(error)
        write_picture(translated, job.copy)
        return None

    def _statistics(self, path: str) -> Statistics:
        picture = read_picture(path)
        with naming(path), self.turn:
            return picture_statistics(self.model, picture)


def _ahead(items: Iterable[Item], number: int) -> Iterator[Item]:
    """The items, each drawn so many places before it is asked for."""
    window: deque[Item] = deque()
    for item in items:
        window.append(item)
        if len(window) > number:
            yield window.popleft()
    yield from window


def _with_progress(items: Iterator[Item], number: int) -> Iterator[Item]:
    if number and is_main_process():
        return track_iter_progress((items, number))
    return items


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
