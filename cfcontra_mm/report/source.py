"""The source of a report: a study's table and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfcontra_mm.benchmark.results.results_file import Result
from cfcontra_mm.benchmark.study import Study
from cfcontra_mm.benchmark.tables.formats import Table, read_table


@dataclass(frozen=True)
class Source:
    """A study's results.

    Args:
        out: Folder of the results.
        table: Table of the study.
        results: Results by (row, seed).
    """

    out: Path
    table: Table
    results: Mapping[tuple[str, int], Result]

    @property
    def study(self) -> Study:
        return self.table.study

    @property
    def seed(self) -> int:
        """The seed whose images are shown."""
        return self.table.seeds[0]

    def folders(self) -> dict[str, Path]:
        """Return the existing folders of the runs with that seed, by row."""
        found = {}
        for row in self.study.measured():
            result = self.results.get((row.name, self.seed))
            folder = self.out / (result.line.get('work_dir', '') if result else '')
            if folder != self.out and folder.is_dir():
                found[row.name] = folder
        return found


def read_source(study: Study, out: Path, seeds: Sequence[int] = ()) -> Source:
    """Read the results of a study.

    Args:
        study: The study.
        out: Folder of the study's results.
        seeds: Seeds to use instead of the study's.

    Raises:
        InputError: There are no results, or their images or classes differ.
    """
    return Source(out, *read_table(study, out, seeds))
