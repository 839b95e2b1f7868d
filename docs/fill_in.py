"""Make the tables of docs/results/ and insert them into the pages that show them.

A page shows a file between ``<!-- from FILE -->`` and ``<!-- end -->``, where FILE is
relative to the folder of the page. A folder of results is refused whose rows differ in
what the rows of a table must share, lack results, or have a mIoU that is not that of
their pixel counts.
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from cfcontra_mm.benchmark import (
    Study,
    load_study,
    load_trials,
    with_choices,
    write_search,
    write_tables,
)
from cfcontra_mm.benchmark.results import Result, read_results
from cfcontra_mm.benchmark.results.alike import differences, grouped
from cfcontra_mm.benchmark.study.load import DEVELOPMENT
from cfcontra_mm.benchmark.tables.recount import check_counts
from cfcontra_mm.command_line import ArgumentParser, command_line
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / 'configs' / 'studies'
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
MIXED = 'the rows of this table were not made alike; '
BLOCK = re.compile(r'<!-- from (\S+) -->\n.*?<!-- end -->', re.DOTALL)


def make_tables(out: Path, mixed: bool = False) -> None:
    """Write the tables of a folder of results from its ``results.jsonl``.

    Args:
        out: The folder.
        mixed: Whether to write them even if the rows differ in what they must share,
            or are missing, with a note that says so.

    Raises:
        InputError: See :func:`remarks_of`.
    """
    study, trials = study_of(out)
    write_tables(study, out, remarks=remarks_of(out, mixed))
    if study is not trials:
        write_search(study, trials, out)


def remarks_of(out: Path, mixed: bool) -> list[str]:
    """Return notes on rows of a folder that are missing or were not made alike.

    Args:
        out: The folder.
        mixed: Whether to accept such rows.

    Raises:
        InputError: There are such rows; or, in any case, the pixel counts of a result
            are missing or give another mIoU.
    """
    study = study_of(out)[0]
    results = read_results(out / 'results.jsonl')
    rows = {row.name: {} if row.is_open else results for row in study.measured()}
    shown = {
        (row, s): found.get((row, s))
        for row, found in rows.items()
        for s in study.seeds
    }
    made = {key: result for key, result in shown.items() if result}
    check_counts(made)
    found = '; '.join([*not_run(shown), *differences(made)])
    if found and not mixed:
        raise InputError(
            f'{out}: its rows differ in what they must share ({found}); run the study '
            f'again from committed sources, or add --mixed {out.name}'
        )
    return [MIXED + found] if found else []


def not_run(results: Mapping[tuple[str, int], Result | None]) -> list[str]:
    """Return a phrase that names the rows, or seeds of them, without a result.

    Args:
        results: Results by (row, seed).
    """
    has: dict[str, dict[int, bool]] = {}
    for (row, seed), result in results.items():
        has.setdefault(row, {})[seed] = result is not None
    missing = grouped(has).get(False)
    return [f'not run: {", ".join(missing)}'] if missing else []


def study_of(out: Path) -> tuple[Study, Study | None]:
    """Load the study of a folder of results, and that of its trials, if it has any.

    They are the same for a folder of trials.
    """
    name, pair = out.name.removesuffix(DEVELOPMENT), None
    if not (STUDIES / f'{name}.py').exists():  # a table on another pair
        name, _, pair = name.rpartition('_')
    path = STUDIES / f'{name}.py'
    study, trials = load_study(path, pair=pair), load_trials(path, pair=pair)
    if trials is not None and trials.name == out.name:
        return trials, trials
    return with_choices(study, trials, out), trials


def fill_in(text: str, read: Callable[[str], str]) -> str:
    """Insert the files that a page shows into its text.

    Args:
        text: Text of the page.
        read: Function that returns the text of a file by its name in the page.
    """

    def block(found: re.Match[str]) -> str:
        name = found[1]
        return f'<!-- from {name} -->\n\n{read(name).strip()}\n\n<!-- end -->'

    return BLOCK.sub(block, text)


def make_all(results: Path, mixed: Collection[str]) -> None:
    """Make the tables of all folders, those that are ``mixed`` all the same.

    Raises:
        InputError: A name is not that of a folder, or another folder is refused.
    """
    folders = {
        path.parent.name: path.parent for path in results.glob('*/results.jsonl')
    }
    for name in mixed:
        if name not in folders:
            known = ', '.join(sorted(folders))
            raise InputError(f'--mixed {name}: no such folder; choose from {known}')
    for name, folder in folders.items():
        remarks_of(folder, name in mixed)  # before anything is written
    for name, folder in sorted(folders.items()):
        make_tables(folder, name in mixed)


@command_line
def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        '--mixed',
        nargs='+',
        default=[],
        metavar='FOLDER_NAME',
        help='make the tables of these folders all the same, with a note that says in '
        'what their rows differ or which are missing',
    )
    make_all(ROOT / 'docs' / 'results', parser.parse_args().mixed)
    for page in PAGES:
        text = page.read_text()
        page.write_text(
            fill_in(text, lambda name, p=page: (p.parent / name).read_text())
        )


if __name__ == '__main__':
    main()
