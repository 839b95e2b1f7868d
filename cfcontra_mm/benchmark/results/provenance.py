"""What a result was made with: versions, hardware, the state of the checkout."""

from __future__ import annotations

import functools
import platform
import subprocess
from pathlib import Path

import mmengine
import mmseg
import torch

PACKAGE = Path(__file__).parents[2]
CPU_INFO = Path('/proc/cpuinfo')


@functools.cache
def environment() -> dict[str, str]:
    """Versions and hardware of this process, which are its children's too."""
    cpu = _cpu_name()
    return {
        'python': platform.python_version(),
        'torch': torch.__version__,
        'mmengine': mmengine.__version__,
        'mmseg': mmseg.__version__,
        'cpu': cpu,
        'device': torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
    }


def _cpu_name() -> str:
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    names = [line.split(': ', 1)[1] for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()


def git_state(package: Path = PACKAGE) -> dict[str, str | bool] | None:
    """Commit of the package, and whether its files differ; None outside a checkout."""
    # An installation may lie within a checkout of something else.
    if _git(package, 'ls-files', '--error-unmatch', 'version.py') is None:
        return None
    status = _git(package, 'status', '--porcelain', '.')
    return {'commit': _git(package, 'rev-parse', 'HEAD'), 'dirty': bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if there is no git or it refuses."""
    try:
        return subprocess.run(
            ['git', '-C', str(folder), *arguments],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
