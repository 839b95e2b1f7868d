"""Steps on a Ray cluster, or on this machine where there is none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError

from .cluster import Cluster, Ended, require, work
from .step import Step


class RayCluster(Cluster):
    """The Ray cluster that ``RAY_ADDRESS`` names or that runs here, else a new one.

    A step gets one GPU if the cluster has any, else one CPU core.

    Raises:
        InputError: Ray is not installed, or its cluster does not answer.
    """

    def __init__(self) -> None:
        self.ray = require('ray', 'ray')
        if not self.ray.is_initialized():
            self._join()
        resources = self.ray.cluster_resources()
        gpus, cpus = (int(resources.get(kind, 0)) for kind in ('GPU', 'CPU'))
        self.slots = gpus or cpus
        wanted = dict(num_gpus=1) if gpus else dict(num_cpus=1)
        # A crashed process is started again by `work` alone.
        self.work = self.ray.remote(max_retries=0, **wanted)(work)

    def _join(self) -> None:
        try:
            self.ray.init(log_to_driver=False, logging_level='ERROR')
        except ConnectionError as error:
            address = os.environ.get('RAY_ADDRESS', 'that was started here')
            raise InputError(
                f'--launcher ray: the cluster {address} does not answer; `ray status` '
                'tells more'
            ) from error

    def num_workers(self, num_steps: int) -> int:
        return min(self.slots, num_steps)

    def submit(self, step: Step, tools: Path, folder: Path) -> Any:
        return self.work.remote(step, tools, folder)

    def result(self, handle: Any) -> Ended | None:
        """How it ended; what Ray itself ended, such as with its node, has failed."""
        ready, _ = self.ray.wait([handle], timeout=0)
        if not ready:
            return None
        try:
            return self.ray.get(handle)
        except self.ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            return Ended('failed', 0.0, '', f'Ray ended it: {reason}', '')

    def cancel(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            self.ray.cancel(handle)
        self.ray.wait(list(handles), num_returns=len(handles), timeout=20)
