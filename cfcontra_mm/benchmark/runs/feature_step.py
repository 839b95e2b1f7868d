"""The step that collects a run's pixel features for the feature map of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cfcontra_mm.benchmark.study import Study
from cfcontra_mm.errors import InputError

from .plan import distinct_runs
from .run import Run
from .step import Step, tool


@dataclass(frozen=True, kw_only=True)
class FeatureStep(Step):
    """The collection of a run's pixel features, in the run's own folder.

    Args:
        run: The run, which must be finished first.
    """

    run: Run

    @classmethod
    def of(cls, run: Run) -> FeatureStep:
        """Build the step of a run."""
        return cls(
            run=run,
            config=run.config,
            identity=f'features {run.identity}',
            work_dir=run.work_dir,
            needs=(run,),
            settings=run.settings,
            sources=run.sources,
        )

    @property
    def label(self) -> str:
        return f'features of {self.run.label}'

    @property
    def lock(self) -> Path:
        return self.run.work_dir.with_name(f'.{self.run.work_dir.name}.features.lock')

    @property
    def log(self) -> Path:
        return self.run.work_dir / 'features_log.txt'

    def iteration(self) -> int:
        """Return 0: the checkpoints in the folder are the run's, not this step's."""
        return 0

    def commands(self, tools: Path) -> dict[str, list[str]]:
        """Return the one command, which runs the trained network."""
        arguments = [str(self.settings_file), str(self.run.final_checkpoint)]
        arguments += ['--out', str(self.run.features)]
        return {'collecting': tool(tools, 'analysis_tools/feature_map', *arguments)}

    def finish(self, seconds: float, resumed_from: int) -> str:
        """Check that the features were written; see :meth:`Step.finish`."""
        if not self.run.features.exists():
            raise InputError(f'{self.run.features} was not written')
        return 'done'


def missing_features(study: Study, runs: Sequence[Run], seed: int) -> list[FeatureStep]:
    """Return the steps that remain: for each of ``feature_rows``, one seed's run."""
    asked = {r.identity for r in runs if r.row in study.feature_rows and r.seed == seed}
    return [
        FeatureStep.of(run)
        for run in distinct_runs(runs)
        if run.identity in asked and not run.features.exists() and _has_weights(run)
    ]


def _has_weights(run: Run) -> bool:
    """Tell whether the final checkpoint exists or is still to be trained."""
    return run.final_checkpoint.exists() or run.record() is None
