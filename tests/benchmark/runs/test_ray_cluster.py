"""The cluster that a study starts where there is none."""

import os
import subprocess
import sys
import tempfile

import pytest
from processes import descendants, is_alive, listening, open_to_the_network, wait_until

from cfcontra_mm.benchmark.runs.ray_cluster import MANY_MACHINES

STUDY = """
import sys, time
from cfcontra_mm.benchmark.runs.ray_cluster import RayCluster
cluster = RayCluster()
cluster.ray.get(cluster.ray.remote(lambda: 1).remote())
open(sys.argv[1], 'w').close()
time.sleep(600)
"""


@pytest.fixture
def folder():
    """A short path, as those of sockets must be."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as found:
        yield found


@pytest.mark.slow
def test_it_listens_on_the_loopback_and_ends_with_the_study(tmp_path, folder):
    ready = tmp_path / 'ready'
    ours = ('RAY_ADDRESS', MANY_MACHINES)
    variables = {k: v for k, v in os.environ.items() if k not in ours}
    study = subprocess.Popen(
        [sys.executable, '-c', STUDY, str(ready)],
        # Its own folder, since it would join what a test beside it has started.
        env=variables | {'PYTHONPATH': os.pathsep.join(sys.path), 'RAY_TMPDIR': folder},
    )
    try:
        wait_until(ready.exists)
        pids = descendants(study.pid)
        assert len(listening(pids)) > 3
        assert open_to_the_network(pids) == set()
    finally:
        study.kill()
        study.wait()
    wait_until(lambda: not any(map(is_alive, pids)))
