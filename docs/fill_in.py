"""Make the tables of docs/results/ and insert them into the pages that show them.

A page shows a file between ``<!-- from FILE -->`` and ``<!-- end -->``, where FILE is
relative to the folder of the page. A folder of results whose rows differ in what the
rows of a table must share is refused.
"""

import re
from collections.abc import Callable, Collection
from pathlib import Path

from cfcontra_mm.benchmark import (
    Study,
    load_study,
    load_trials,
    with_choices,
    write_search,
    write_tables,
)
from cfcontra_mm.benchmark.results import read_results
from cfcontra_mm.benchmark.results.alike import differences
from cfcontra_mm.command_line import ArgumentParser, command_line
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / 'configs' / 'studies'
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
MIXED = 'the rows of this table were not made alike; '
DEVELOPMENT = '_development'  # ends the folder of a study's trials
BLOCK = re.compile(r'<!-- from (\S+) -->\n.*?<!-- end -->', re.DOTALL)


def make_tables(out: Path, mixed: bool = False) -> None:
    """Write the tables of a folder of results from its ``results.jsonl``.

    Args:
        out: The folder.
        mixed: Whether to write them even if the rows differ in what they must share,
            with a note that says so.

    Raises:
        InputError: The rows differ in what they must share.
    """
    study, trials = study_of(out)
    write_tables(study, out, remarks=remarks_of(out, mixed))
    if study is not trials:
        write_search(study, trials, out)


def remarks_of(out: Path, mixed: bool) -> list[str]:
    """Return a note on the rows of a folder if they were not made alike.

    Args:
        out: The folder.
        mixed: Whether to accept such rows.

    Raises:
        InputError: There are such rows.
    """
    rows = {row.name for row in study_of(out)[0].measured()}
    results = read_results(out / 'results.jsonl')
    shown = {key: result for key, result in results.items() if key[0] in rows}
    found = '; '.join(differences(shown))
    if found and not mixed:
        raise InputError(
            f'{out}: its rows differ in what they must share ({found}); run the study '
            f'again from committed sources, or add --mixed {out.name}'
        )
    return [MIXED + found] if found else []


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
        InputError: A name is not that of a folder, or the rows of another folder
            differ in what they must share.
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
        'what their rows differ',
    )
    make_all(ROOT / 'docs' / 'results', parser.parse_args().mixed)
    for page in PAGES:
        text = page.read_text()
        page.write_text(
            fill_in(text, lambda name, p=page: (p.parent / name).read_text())
        )


if __name__ == '__main__':
    main()
