"""Run steps on a Ray cluster, or on this machine if there is none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError

from .cluster import Cluster, StepResult, require, work
from .step import Step


class RayCluster(Cluster):
    """The Ray cluster at ``RAY_ADDRESS`` or on this machine, or else a new one.

    A step gets one GPU if the cluster has any, or else one CPU core.

    Raises:
        InputError: Ray is not installed, or its cluster does not respond.
    """

    def __init__(self) -> None:
        self.ray = require('ray', 'ray')
        if not self.ray.is_initialized():
            self._join()
        resources = self.ray.cluster_resources()
        gpus, cpus = (int(resources.get(kind, 0)) for kind in ('GPU', 'CPU'))
        self.slots = gpus or cpus
        wanted = dict(num_gpus=1) if gpus else dict(num_cpus=1)
        # Only `work` restarts a crashed process.
        self.work = self.ray.remote(max_retries=0, **wanted)(work)

    def _join(self) -> None:
        try:
            self.ray.init(log_to_driver=False, logging_level='ERROR')
        except ConnectionError as error:
            address = os.environ.get('RAY_ADDRESS', 'on this machine')
            raise InputError(
                f'--launcher ray: the cluster {address} does not respond; check it '
                'with `ray status`'
            ) from error

    def num_workers(self, num_steps: int) -> int:
        return min(self.slots, num_steps)

    def submit(self, step: Step, tools: Path, folder: Path) -> Any:
        return self.work.remote(step, tools, folder)

    def result(self, handle: Any) -> StepResult | None:
        """Return how the call ended; it has failed if Ray or its node ended it."""
        ready, _ = self.ray.wait([handle], timeout=0)
        if not ready:
            return None
        try:
            return self.ray.get(handle)
        except self.ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            return StepResult('failed', 0.0, '', f'ended by Ray: {reason}', '')

    def cancel(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            self.ray.cancel(handle)
        self.ray.wait(list(handles), num_returns=len(handles), timeout=20)
