"""Run steps on a Ray cluster, or on this machine if there is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError

from .cluster import Cluster, StepResult, require, work
from .pool import GRACE_SECONDS
from .step import Step

# By 0, a cluster that Ray starts is open to its own machine alone, whatever the system.
MANY_MACHINES = 'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER'
# A worker ends its process first.
CANCEL_SECONDS = GRACE_SECONDS + 10


class RayCluster(Cluster):
    """The Ray cluster at ``RAY_ADDRESS`` or on this machine, or else a new one.

    A step gets one GPU if the cluster has any, or else one CPU core.

    Raises:
        InputError: Ray is not installed, or its cluster does not respond.
    """

    def __init__(self) -> None:
        if 'ray' not in sys.modules and not _running_cluster():
            os.environ.setdefault(MANY_MACHINES, '0')  # read when Ray is imported
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
        where = {} if _running_cluster() else dict(address='local')
        try:
            self.ray.init(
                log_to_driver=False,
                logging_level='ERROR',
                include_dashboard=False,
                **where,
            )
        except ConnectionError as error:
            raise InputError(
                f'--launcher ray: the cluster {_running_cluster()} does not respond; '
                'check it with `ray status`'
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
        self.ray.wait(list(handles), num_returns=len(handles), timeout=CANCEL_SECONDS)


def _running_cluster() -> str:
    """Return the address of the cluster that Ray would join, '' if there is none."""
    if address := os.environ.get('RAY_ADDRESS'):
        return address
    temporary = os.environ.get('RAY_TMPDIR') or os.environ.get('TMPDIR') or '/tmp'
    noted = Path(temporary, 'ray', 'ray_current_cluster')  # by `ray start --head`
    return noted.read_text().strip() if noted.exists() else ''
