"""A step that keeps a run's pixel features for the feature map of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cfcontra_mm.benchmark.results.records import read_record
from cfcontra_mm.benchmark.study.study import Study
from cfcontra_mm.errors import InputError

from .plan import distinct_runs
from .step import Run, Step, tool


@dataclass(frozen=True)
class FeatureStep(Step):
    """The collection of a run's pixel features, in the run's own folder.

    Args:
        run: The run, which must be finished before.
    """

    run: Run
    max_iters: ClassVar[int] = 0
    cost: ClassVar[float] = 1.0

    @property
    def label(self) -> str:
        return f'features of {self.run.label}'

    @property
    def needs(self) -> tuple[Run, ...]:
        return (self.run,)

    @property
    def settings(self) -> dict[str, Any]:
        return self.run.settings

    @property
    def sources(self) -> Mapping[str, str]:
        return self.run.sources

    @property
    def config(self) -> str:
        return self.run.config

    @property
    def identity(self) -> str:
        return f'features {self.run.identity}'

    @property
    def work_dir(self) -> Path:
        return self.run.work_dir

    @property
    def lock(self) -> Path:
        return self.run.work_dir.with_name(f'.{self.run.work_dir.name}.features.lock')

    @property
    def log(self) -> Path:
        return self.run.work_dir / 'features_log.txt'

    def iteration(self) -> int:
        """None to resume from: the checkpoints in the folder are the run's."""
        return 0

    def commands(self, tools: Path) -> dict[str, list[str]]:
        """One process, which runs the trained network."""
        arguments = [str(self.settings_file), str(self.run.final_checkpoint)]
        arguments += ['--out', str(self.run.features)]
        return {'collecting': tool(tools, 'analysis_tools/feature_map', *arguments)}

    def finish(self, seconds: float, resumed_from: int) -> str:
        """Check that the features are there; see :meth:`Step.finish`."""
        if not self.run.features.exists():
            raise InputError(f'{self.run.features} was not written')
        return 'done'


def missing_features(study: Study, runs: Sequence[Run], seed: int) -> list[FeatureStep]:
    """What is still to be collected: of each row that asks for it, one seed's run."""
    asked = {r.identity for r in runs if r.row in study.feature_rows and r.seed == seed}
    return [
        FeatureStep(run)
        for run in distinct_runs(runs)
        if run.identity in asked and not run.features.exists() and _has_weights(run)
    ]


def _has_weights(run: Run) -> bool:
    """Whether the run has its weights or will have them, and no one removed them."""
    return run.final_checkpoint.exists() or read_record(run) is None
