"""Steps that rows depend on: a training, or a data set in another style."""

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
    """A step whose output folder has a fixed name, since configs refer to it.

    As that name cannot contain the config hash, a marker file does. By it the step
    recognises its own folder, and never reuses or overwrites files of another origin.

    Args:
        name: Name of the preparation.
        logs: Folder of its log.
        seed: Random seed; None for the config's own.
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
        """Arguments that pass the seed to the tool."""
        return [] if self.seed is None else ['--seed', str(self.seed)]

    @property
    @abstractmethod
    def claim(self) -> Path:
        """Marker file: the config hash of the folder, and whether it is finished."""

    @property
    @abstractmethod
    def product(self) -> Path:
        """File that exists once the folder is complete."""

    def is_finished(self) -> bool:
        """Tell whether the folder is complete and has this config hash."""
        return self._read_claim() == self._claim(True) and self.product.exists()

    def may_fill(self) -> bool:
        """Tell whether the folder is empty, or its marker file has this config hash."""
        if not self.work_dir.is_dir() or not any(self.work_dir.iterdir()):
            return True
        return self._read_claim() in (self._claim(False), self._claim(True))

    def begin(self) -> None:
        """Also write the marker file; see :meth:`Step.begin`."""
        super().begin()
        self._write_claim(finished=False)

    def finish(self, seconds: float, resumed_from: int) -> str:
        """Mark the folder as finished; see :meth:`Step.finish`."""
        if not self.product.exists():
            raise InputError(f'{self.product} was not written')
        self._write_claim(finished=True)
        return 'done'

    def _claim(self, finished: bool) -> dict[str, str | bool]:
        return {'identity': self.identity, 'finished': finished}

    def _read_claim(self) -> dict[str, str | bool] | None:
        try:
            return json.loads(self.claim.read_text())
        except (FileNotFoundError, ValueError):  # a damaged file marks nothing
            return None

    def _write_claim(self, finished: bool) -> None:
        write_whole(self.claim, json.dumps(self._claim(finished)) + '\n')


class Training(PreparationStep):
    """The training of a network that rows or other preparations depend on."""

    @property
    def claim(self) -> Path:
        return self.work_dir / 'preparation.json'

    @property
    def product(self) -> Path:
        return self.final_checkpoint

    def commands(self, tools: Path) -> dict[str, list[str]]:
        """Return the command of the training, unless it is finished."""
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
        # Beside the folder: the tool refuses a folder with any other file in it.
        return self.work_dir.with_name(f'{self.work_dir.name}.preparation.json')

    @property
    def product(self) -> Path:
        # The tool writes this manifest once all images are translated.
        return self.work_dir / 'translation.json'

    def commands(self, tools: Path) -> dict[str, list[str]]:
        """Return the command of the translation, which the tool itself resumes."""
        arguments = [str(self.settings_file), str(self.checkpoint)]
        arguments += ['--out', str(self.work_dir), *self.seed_arguments]
        return {'translating': tool(tools, 'translate_dataset', *arguments)}


def unfinished_needs(steps: Iterable[Step]) -> list[PreparationStep]:
    """Return the unfinished preparations of steps, each after those that it needs."""
    found: dict[PreparationStep, None] = {}
    for step in steps:
        preparations = (n for n in step.needs if isinstance(n, PreparationStep))
        needs = [need for need in preparations if not need.is_finished()]
        found |= dict.fromkeys([*unfinished_needs(needs), *needs])
    return list(found)
