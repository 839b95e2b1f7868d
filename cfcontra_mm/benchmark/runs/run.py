"""A run of a study: one row with one seed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from cfcontra_mm import version
from cfcontra_mm.benchmark.results.provenance import environment, git_state
from cfcontra_mm.benchmark.results.records import (
    FEATURES,
    PREDICTIONS,
    Record,
    line_record,
    read_metrics,
    read_record,
    write_record,
)
from cfcontra_mm.benchmark.results.results_file import Entry, Result
from cfcontra_mm.benchmark.results.validations import missing_validations
from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.files import write_whole

from .preparations import PreparationStep
from .step import Step, tool


@dataclass(frozen=True, kw_only=True)
class Run(Step):
    """A training and its test.

    The name of its folder contains the config hash, so a changed config starts in a new
    folder and never resumes from other weights.

    Args:
        row: Name of the row.
        seed: Seed of the training.
        overrides: Overridden settings by their dotted keys.
        needs: Preparations that must be finished before it starts.
        shared_sources: Digest of the sources that all rows share.
    """

    row: str
    seed: int
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)
    needs: tuple[PreparationStep, ...] = ()
    shared_sources: str = ''

    @property
    def label(self) -> str:
        return f'{self.row} seed {self.seed}'

    @property
    def predictions(self) -> Path:
        return self.work_dir / PREDICTIONS

    @property
    def features(self) -> Path:
        """File of pixel features, see :class:`.feature_step.FeatureStep`."""
        return self.work_dir / FEATURES

    @property
    def log(self) -> Path:
        return self.work_dir / 'log.txt'

    @property
    def git_note(self) -> Path:
        """File with the git state at the start, which may change before the end."""
        return self.settings_file.with_name('git.json')

    @property
    def entry(self) -> Entry:
        """The part of its line in the results that is not in its record."""
        return Entry(
            row=self.row,
            seed=self.seed,
            config=self.config,
            identity=self.identity,
            work_dir=self.work_dir,
            max_iters=self.max_iters,
            overrides=self.overrides,
            settings=self.settings,
            shared_sources=self.shared_sources,
        )

    def record(self) -> Record | None:
        """Read its record, None if it is unfinished."""
        return read_record(self.work_dir, self.identity)

    def noted(
        self, results: Mapping[tuple[str, int], Result], out: Path
    ) -> Record | None:
        """Return its record; if its folder is gone, what the results have of it.

        Results may travel without the folders of the runs. A folder that was set aside,
        to train the run again, is not gone.

        Args:
            results: Results of the study by (row, seed).
            out: Folder of the study.
        """
        found = results.get((self.row, self.seed))
        if not found or found.status != 'done' or not found.per_image:
            return self.record()
        line = found.line
        folders = (self.work_dir, out / (line.get('work_dir') or ''))
        gone = not any(folder.is_dir() for folder in folders)
        if not gone or line.get('identity') != self.identity:
            return self.record()
        return line_record(line)

    def set_aside(self) -> Path | None:
        """Rename the folder; return the new path, None if there is no folder."""
        if not self.work_dir.exists():
            return None
        names = (f'{self.work_dir.name}.before-{n}' for n in count(1))
        asides = map(self.work_dir.with_name, names)
        return self.work_dir.rename(next(a for a in asides if not a.exists()))

    def begin(self) -> None:
        """Also write down the git state; see :meth:`Step.begin`."""
        super().begin()
        write_whole(self.git_note, json.dumps(git_state()))

    def commands(self, tools: Path) -> dict[str, list[str]]:
        """Return the commands of the training, unless it is finished, and the test."""
        arguments = [str(self.settings_file), str(self.final_checkpoint)]
        arguments += ['--work-dir', f'{self.work_dir}/test']
        arguments += ['--out', str(self.predictions), '--statistics', 'both']
        test = tool(tools, 'test', *arguments)
        return self.training(tools, '--seed', str(self.seed)) | {'testing': test}

    def finish(self, seconds: float, resumed_from: int) -> str:
        """Write the record; see :meth:`Step.finish`."""
        record = Record(
            row=self.row,
            config=self.config,
            identity=self.identity,
            seed=self.seed,
            version=version.__version__,
            metrics=read_metrics(self.work_dir / 'test'),
            wall_seconds=seconds,
            resumed_from=resumed_from,
            environment=environment(),
            git=json.loads(self.git_note.read_text()),
        )
        write_record(record, self.work_dir)
        return f'mIoU {record.metrics["mIoU"]:.1f}{self._missing()}'

    def _missing(self) -> str:
        """Return a note of validations that were due but are not in the logs."""
        made = read_curves(self.work_dir).validations
        missing = ', '.join(map(str, missing_validations(self.settings, made)))
        return f', without the validation of iteration {missing}' if missing else ''
