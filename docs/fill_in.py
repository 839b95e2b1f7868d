"""Make the tables of docs/results/ and insert them into the pages that show them.

A page shows a file between ``<!-- from FILE -->`` and ``<!-- end -->``, where FILE is
relative to the folder of the page.
"""

import re
from collections.abc import Callable
from pathlib import Path

from cfcontra_mm.benchmark import (
    load_study,
    load_trials,
    with_choices,
    write_search,
    write_tables,
)
from cfcontra_mm.command_line import ArgumentParser, command_line

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / 'configs' / 'studies'
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
DEVELOPMENT = '_development'  # ends the folder of a study's trials
BLOCK = re.compile(r'<!-- from (\S+) -->\n.*?<!-- end -->', re.DOTALL)


def make_tables(out: Path) -> None:
    """Write the tables of a folder of results from its ``results.jsonl``."""
    name, pair = out.name.removesuffix(DEVELOPMENT), None
    if not (STUDIES / f'{name}.py').exists():  # a table on another pair
        name, _, pair = name.rpartition('_')
    path = STUDIES / f'{name}.py'
    study, trials = load_study(path, pair=pair), load_trials(path, pair=pair)
    if trials and trials.name == out.name:
        write_tables(trials, out)
        return
    study = with_choices(study, trials, out)
    write_tables(study, out)
    write_search(study, trials, out)


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


@command_line
def main() -> None:
    ArgumentParser(description=__doc__).parse_args()
    for path in sorted(ROOT.glob('docs/results/*/results.jsonl')):
        make_tables(path.parent)
    for page in PAGES:
        text = page.read_text()
        page.write_text(
            fill_in(text, lambda name, p=page: (p.parent / name).read_text())
        )


if __name__ == '__main__':
    main()
