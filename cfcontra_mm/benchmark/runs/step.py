"""The steps of a study that a pool runs: processes that write to one folder."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any

from cfcontra_mm.benchmark.results.sources import changed_file
from cfcontra_mm.engine.resuming import checkpoints_in
from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import write_whole


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """Processes to run one after the other, once the needs of the step are finished.

    Args:
        config: Config file.
        identity: Config hash: sha256 of everything that the outcome depends on.
        work_dir: Output folder.
        max_iters: Iterations of its training, 0 without one.
        needs: Steps that must be finished before it starts.
        settings: All settings of the resolved config.
        sources: Digests of the source files that it runs, by path.
    """

    config: str
    identity: str
    work_dir: Path
    max_iters: int = 0
    needs: tuple[Step, ...] = ()
    settings: dict[str, Any] = field(hash=False, repr=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)

    @property
    @abstractmethod
    def label(self) -> str:
        """Name in messages."""

    @property
    @abstractmethod
    def log(self) -> Path:
        """File with the output of the processes."""

    @property
    def settings_file(self) -> Path:
        """The config that the processes read: :attr:`settings`, whatever is edited.

        It has the name of the original, since MMEngine names its output after that, and
        a folder of its own, since MMEngine also writes a file of this name.
        """
        return self.log.with_suffix('.settings') / Path(self.config).name

    @property
    def final_checkpoint(self) -> Path:
        return self.work_dir / f'iter_{self.max_iters}.pth'

    @property
    def lock(self) -> Path:
        """File to lock while the step may run, as studies may share its folder."""
        return self.work_dir.with_name(f'.{self.work_dir.name}.lock')

    @property
    def job_note(self) -> Path:
        """File that names the scheduler's job of this step until the job has ended."""
        return self.log.with_suffix('.job')

    def may_fill(self) -> bool:
        """Tell whether the folder is empty or has this step's config hash."""
        return True  # the folder's name contains the hash, unless overridden

    def last_checkpoint(self) -> Path | None:
        """Return the newest checkpoint by its name, None before the first.

        Whether it is whole, the training itself finds out when it resumes.
        """
        return next(iter(checkpoints_in(self.work_dir)), None)

    def iteration(self) -> int:
        """Return the iteration of the newest checkpoint, 0 before the first."""
        checkpoint = self.last_checkpoint()
        return int(checkpoint.stem.removeprefix('iter_')) if checkpoint else 0

    def training(self, tools: Path, *arguments: str) -> dict[str, list[str]]:
        """Return the command that starts or resumes the training, {} if finished."""
        if self.final_checkpoint.exists() and not self._validation_is_due():
            return {}
        train = tool(tools, 'train', str(self.settings_file), *arguments)
        train += ['--work-dir', str(self.work_dir)]
        if self.last_checkpoint():
            train.append('--resume')
        return {'training': train}

    def _validation_is_due(self) -> bool:
        """Tell whether the training was killed before its last validation ended."""
        begin = self.settings.get('train_cfg', {}).get('val_begin', 1)
        if not self.settings.get('val_dataloader') or begin > self.max_iters:
            return False
        return self.max_iters not in read_curves(self.work_dir).validations

    def begin(self) -> None:
        """Create the folder and write the settings before the first process starts.

        Raises:
            InputError: The code has changed since the config hash was computed.
        """
        self.check_sources()
        self.work_dir.mkdir(parents=True, exist_ok=True)
        write_whole(self.settings_file, config_text(self.settings, self.config))

    def check_sources(self) -> None:
        """Check that the code has not changed since the config hash was computed.

        Raises:
            InputError: A file has changed.
        """
        if changed := changed_file(self.sources):
            raise InputError(
                f'{changed}: changed since the study started; restore it or start the '
                'study again'
            )

    @abstractmethod
    def commands(self, tools: Path) -> dict[str, list[str]]:
        """Return the remaining command lines by state, in their order."""

    @abstractmethod
    def finish(self, seconds: float, resumed_from: int) -> str:
        """Mark the step as finished, after its processes have succeeded.

        Args:
            seconds: Duration of the processes.
            resumed_from: Iteration that they started from.

        Returns:
            The outcome in a few words.

        Raises:
            InputError: The result is missing or unusable.
        """


def config_text(settings: Mapping[str, Any], origin: str) -> str:
    """Format settings, which must be literals, as a config file.

    Args:
        settings: Settings by their top-level keys.
        origin: Config that they come from, for the comment on top.
    """
    head = f'# Generated from {origin} by a study; changes here have no effect.\n'
    return head + ''.join(
        f'{key} = {pformat(value, sort_dicts=False)}\n'
        for key, value in settings.items()
    )


def tool(tools: Path, name: str, *arguments: str) -> list[str]:
    """Return the command line of a tool."""
    return [sys.executable, str(tools / f'{name}.py'), *arguments]
