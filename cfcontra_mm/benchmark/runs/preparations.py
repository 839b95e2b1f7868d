"""Steps whose outcome rows need: a training, or a data set in another style."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import file_name, write_whole

from .step import Step, tool


@dataclass(frozen=True, kw_only=True)
class PreparationStep(Step):
    """A step that fills a folder whose name is fixed, since configs refer to it.

    As the name cannot hold the identity, a claim does: a small file by which the step
    knows its own folder, and neither reuses nor overwrites what others left there.

    Args:
        name: Name of the preparation.
        logs: Folder of its log.
        seed: Of everything random in it; None for the config's own.
        needs: Preparations that must be finished before it starts.
    """

    name: str
    logs: Path
    seed: int | None = None
    needs: tuple[PreparationStep, ...] = ()

    @property
    def label(self) -> str:
        return self.name if self.seed is None else f'{self.name} seed {self.seed}'

    @property
    def log(self) -> Path:
        suffix = '' if self.seed is None else f'_seed{self.seed}'
        return self.logs / f'{file_name(self.name)}{suffix}.log'

    @property
    def seed_arguments(self) -> list[str]:
        """What tells the tool the seed."""
        return [] if self.seed is None else ['--seed', str(self.seed)]

    @property
    @abstractmethod
    def claim(self) -> Path:
        """File that says whose the folder is, and whether it is finished."""

    @property
    @abstractmethod
    def product(self) -> Path:
        """What is there once the folder is whole."""

    def is_finished(self) -> bool:
        """Whether the folder is whole, and of these settings."""
        return self._read_claim() == self._claim(True) and self.product.exists()

    def may_fill(self) -> bool:
        """Whether the folder is empty, or was claimed by these settings."""
        if not self.work_dir.is_dir() or not any(self.work_dir.iterdir()):
            return True
        return self._read_claim() in (self._claim(False), self._claim(True))

    def begin(self) -> None:
        """Claim the folder before the first process starts."""
        super().begin()
        self._write_claim(finished=False)

    def finish(self, seconds: float, resumed_from: int) -> str:
        """Mark the folder as whole; see :meth:`Step.finish`."""
        if not self.product.exists():
            raise InputError(f'{self.product} was not written')
        self._write_claim(finished=True)
        return 'done'

    def _claim(self, finished: bool) -> dict:
        return {'identity': self.identity, 'finished': finished}

    def _read_claim(self) -> dict | None:
        try:
            return json.loads(self.claim.read_text())
        except (FileNotFoundError, ValueError):  # a damaged claim is nobody's
            return None

    def _write_claim(self, finished: bool) -> None:
        write_whole(self.claim, json.dumps(self._claim(finished)) + '\n')


class Training(PreparationStep):
    """The training of a network that rows or other preparations build on."""

    @property
    def claim(self) -> Path:
        return self.work_dir / 'preparation.json'

    @property
    def product(self) -> Path:
        return self.final_checkpoint

    def commands(self, tools: Path) -> dict[str, list[str]]:
        """The training, unless it is finished."""
        return self.training(tools, *self.seed_arguments)


@dataclass(frozen=True, kw_only=True)
class Translation(PreparationStep):
    """A copy of a data set in another style.

    Args:
        checkpoint: Weights of the translator.
    """

    checkpoint: Path

    @property
    def claim(self) -> Path:
        # Beside the folder: the tool refuses one that holds anything but its copy.
        return self.work_dir.with_name(f'{self.work_dir.name}.preparation.json')

    @property
    def product(self) -> Path:
        # The tool gives its manifest this name when all pictures are there.
        return self.work_dir / 'translation.json'

    def commands(self, tools: Path) -> dict[str, list[str]]:
        """The translation, which the tool itself resumes."""
        arguments = [str(self.settings_file), str(self.checkpoint)]
        arguments += ['--out', str(self.work_dir), *self.seed_arguments]
        return {'translating': tool(tools, 'translate_dataset', *arguments)}


def unfinished_needs(steps: Iterable[Step]) -> list[PreparationStep]:
    """Preparations to run before these steps, each after those that it needs."""
    found: dict[PreparationStep, None] = {}
    for step in steps:
        needs = [need for need in step.needs if not need.is_finished()]
        found |= dict.fromkeys([*unfinished_needs(needs), *needs])
    return list(found)
