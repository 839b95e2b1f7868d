"""What the pool runs: steps of a study, each some processes that fill one folder."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any

from cfcontra_mm.benchmark.results.sources import changed_file
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import write_whole


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """Processes to run one after the other, once all that they need is finished.

    Args:
        config: Config file.
        identity: sha256 of all that the outcome depends on.
        work_dir: Folder that it fills.
        max_iters: Iterations of its training, 0 without one.
        needs: Steps that must be finished before it starts.
        settings: All settings, as the study resolved the config.
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
        """Name for people."""

    @property
    @abstractmethod
    def log(self) -> Path:
        """File that takes what the processes print."""

    @property
    def settings_file(self) -> Path:
        """The config that the processes read: :attr:`settings`, whatever is edited.

        It has the config's name, since MMEngine names what it writes after that, and
        a folder of its own, since MMEngine writes a file of this name too.
        """
        return self.log.with_suffix('.settings') / Path(self.config).name

    @property
    def final_checkpoint(self) -> Path:
        return self.work_dir / f'iter_{self.max_iters}.pth'

    @property
    def lock(self) -> Path:
        """File to lock while the step may run: studies may share the folder."""
        return self.work_dir.with_name(f'.{self.work_dir.name}.lock')

    @property
    def job_note(self) -> Path:
        """Names the job of a scheduler that may be at work on it; gone at its end."""
        return self.log.with_suffix('.job')

    def may_fill(self) -> bool:
        """Whether nothing of other settings lies in the folder."""
        return True  # its name holds the identity, unless a subclass says otherwise

    def last_checkpoint(self) -> Path | None:
        """The newest whole checkpoint, or None before the first."""
        pointer = self.work_dir / 'last_checkpoint'
        if not pointer.exists():
            return None
        # By name: the pointer holds an absolute path, and folders get moved.
        checkpoint = self.work_dir / Path(pointer.read_text().strip()).name
        return checkpoint if checkpoint.exists() else None

    def iteration(self) -> int:
        """Iteration of the newest checkpoint, 0 before the first."""
        checkpoint = self.last_checkpoint()
        # MMEngine names checkpoints iter_N.pth.
        return int(checkpoint.stem.removeprefix('iter_')) if checkpoint else 0

    def training(self, tools: Path, *arguments: str) -> dict[str, list[str]]:
        """The training from the newest checkpoint on, nothing if that is the last."""
        checkpoint = self.last_checkpoint()
        if checkpoint == self.final_checkpoint:
            return {}
        train = tool(tools, 'train', str(self.settings_file), *arguments)
        train += ['--work-dir', str(self.work_dir)]
        if checkpoint:
            train += ['--resume', str(checkpoint)]
        return {'training': train}

    def begin(self) -> None:
        """Prepare the folders and the settings before the first process starts.

        Raises:
            InputError: The code is no longer that which the identity stands for.
        """
        self.check_sources()
        self.work_dir.mkdir(parents=True, exist_ok=True)
        write_whole(self.settings_file, config_text(self.settings, self.config))

    def check_sources(self) -> None:
        """Raise unless the code is that which the identity stands for.

        Raises:
            InputError: A file was changed meanwhile.
        """
        if changed := changed_file(self.sources):
            raise InputError(
                f'{changed}: was changed since the study began; restore it or start '
                'the study again'
            )

    @abstractmethod
    def commands(self, tools: Path) -> dict[str, list[str]]:
        """What is still to do: command lines by state, in their order."""

    @abstractmethod
    def finish(self, seconds: float, resumed_from: int) -> str:
        """Leave the mark of a finished step, its processes having succeeded.

        Args:
            seconds: Time that they took.
            resumed_from: Iteration that they started from.

        Returns:
            The outcome in a few words.

        Raises:
            InputError: They left no usable result.
        """


def config_text(settings: Mapping[str, Any], origin: str) -> str:
    """A config file of these settings, which are literals.

    Args:
        settings: By their top-level keys.
        origin: The config that they come from, for the reader.
    """
    head = f'# Made of {origin} by a study; changes here are without effect.\n'
    return head + ''.join(
        f'{key} = {pformat(value, sort_dicts=False)}\n'
        for key, value in settings.items()
    )


def tool(tools: Path, name: str, *arguments: str) -> list[str]:
    """The command line of a tool."""
    return [sys.executable, str(tools / f'{name}.py'), *arguments]
