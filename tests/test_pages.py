"""Figures in the pages are those of the committed results."""

import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILL_IN = runpy.run_path(str(ROOT / 'docs' / 'fill_in.py'))
RESULTS = sorted(ROOT.glob('docs/results/*/results.jsonl'))
MADE = ('table.txt', 'table.md', 'table_short.md', 'table.csv', 'table.tex')


def test_there_are_results():
    assert ROOT / 'docs/results/toystreets/results.jsonl' in RESULTS
    assert '<!-- from docs/results/toystreets/table_short.md -->' in readme()


def readme():
    return (ROOT / 'README.md').read_text()


@pytest.mark.parametrize('path', RESULTS, ids=lambda path: path.parent.name)
def test_committed_tables_are_made_of_the_committed_results(path, tmp_path):
    out = tmp_path / path.parent.name
    shutil.copytree(path.parent, out)
    for name in MADE:
        (out / name).unlink()
    FILL_IN['make_tables'](out)
    for name in MADE:
        assert (out / name).read_text() == (path.parent / name).read_text(), name


@pytest.mark.parametrize('page', FILL_IN['PAGES'], ids=lambda path: path.name)
def test_pages_show_the_committed_tables(page):
    text = page.read_text()
    shown = FILL_IN['fill_in'](text, lambda name: (page.parent / name).read_text())
    assert shown == text, 'run `make tables`'


def test_a_changed_figure_is_found():
    text = 'a\n<!-- from x.md -->\n\n| 1 |\n\n<!-- end -->\nb\n'
    filled = FILL_IN['fill_in'](text, {'x.md': '| 2 |\n'}.__getitem__)
    assert filled == text.replace('1', '2')
    assert FILL_IN['fill_in'](filled, {'x.md': '| 2 |\n'}.__getitem__) == filled
