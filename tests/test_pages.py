"""The pages show the committed figures, and what they name exists."""

import json
import re
import runpy
import shutil
from pathlib import Path

import pytest
import yaml

import cfcontra_mm
from cfcontra_mm.engine.launch import load_config
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[1]
FILL_IN = runpy.run_path(str(ROOT / 'docs' / 'fill_in.py'))
RESULTS = sorted(ROOT.glob('docs/results/*/results.jsonl'))
MADE = ('table.txt', 'table.md', 'table_short.md', 'table.csv', 'table.tex')
PLACES = ('*.md', 'docs/*.md', 'benchmarks/*.md', 'configs/*/*.md')
PAGES = sorted(path for place in PLACES for path in ROOT.glob(place))
LINK = re.compile(r'\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)')
NAMED = re.compile(
    r'(?<![\w/])(?:benchmarks|cfcontra_mm|configs|docs|tests|tools)/[\w./-]+'
    r'\.(?:py|sh)\b'
)
# Files that a reader is told to write, and names to be filled in.
OWN = re.compile(r'max_square|noisy_student|my_pair|[A-Z]{4}')


def page_id(path):
    return str(path.relative_to(ROOT))


def test_there_are_results():
    assert ROOT / 'docs/results/demo_toystreets/results.jsonl' in RESULTS
    assert '<!-- from docs/results/demo_toystreets/table_short.md -->' in readme()


def readme():
    return (ROOT / 'README.md').read_text()


@pytest.mark.parametrize('path', RESULTS, ids=lambda path: path.parent.name)
def test_committed_tables_are_made_of_the_committed_results(path, tmp_path):
    out = tmp_path / path.parent.name
    shutil.copytree(path.parent, out)
    # What is chosen by trials depends on their results too.
    trials = path.parent.with_name(f'{out.name}_development')
    if trials.exists():
        shutil.copytree(trials, tmp_path / trials.name)
    mixed = FILL_IN['MIXED'] in (out / 'table.txt').read_text()
    for name in MADE:
        (out / name).unlink()
    FILL_IN['make_tables'](out, mixed)
    for name in MADE:
        assert (out / name).read_text() == (path.parent / name).read_text(), name


def results_folder(tmp_path, name='demo_toystreets', **changes):
    """A copy of committed results; each line is changed in these fields."""
    out = tmp_path / name
    shutil.copytree(ROOT / 'docs' / 'results' / name, out)
    path = out / 'results.jsonl'
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines):
        line.update({k: change(number) for k, change in changes.items()})
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return out


def clean(number):
    return {'commit': 'c0ffee', 'dirty': False}


def test_rows_that_were_made_alike_make_a_table(tmp_path):
    out = results_folder(tmp_path, shared_sources=lambda number: 'd1', git=clean)
    FILL_IN['make_all'](tmp_path, [])
    assert 'not made alike' not in (out / 'table.txt').read_text()


def test_a_table_of_rows_that_were_not_made_alike_is_refused(tmp_path):
    out = results_folder(
        tmp_path, shared_sources=lambda n: 'd1' if n else 'd2', git=clean
    )
    before = {path: path.read_bytes() for path in out.glob('*.*')}
    with pytest.raises(InputError) as caught:
        FILL_IN['make_all'](tmp_path, [])
    refusal = str(caught.value)
    said = '(shared sources: d2 (source-only), d1 (source-only + target statistics, '
    assert refusal.startswith(f'{out}: its rows differ in what they must share {said}')
    assert refusal.endswith(f'committed sources, or add --mixed {out.name}')
    assert {path: path.read_bytes() for path in out.glob('*.*')} == before
    FILL_IN['make_all'](tmp_path, [out.name])
    for name in ('table.txt', 'table.md', 'table.tex', 'table_short.md'):
        assert f'{FILL_IN["MIXED"]}shared sources: d2 (' in (out / name).read_text()


def test_results_of_before_are_made_all_the_same_if_asked_to(tmp_path):
    out = results_folder(tmp_path, shared_sources=lambda number: None, git=clean)
    with pytest.raises(InputError, match=r'shared sources: not noted \(all rows\)'):
        FILL_IN['make_tables'](out)
    FILL_IN['make_tables'](out, mixed=True)
    assert FILL_IN['MIXED'] in (out / 'table_short.md').read_text()


def test_nothing_is_written_if_one_folder_is_refused(tmp_path):
    first = results_folder(tmp_path, shared_sources=lambda number: 'd1', git=clean)
    results_folder(tmp_path, 'toystreets', git=lambda number: None)
    (first / 'table.txt').unlink()
    with pytest.raises(InputError, match=r'toystreets: .* not committed'):
        FILL_IN['make_all'](tmp_path, [])
    assert not (first / 'table.txt').exists()


def test_a_table_with_rows_that_were_not_run_is_refused(tmp_path):
    out = results_folder(tmp_path, shared_sources=lambda number: 'd1', git=clean)
    path = out / 'results.jsonl'
    _, *others = path.read_text().splitlines()
    path.write_text(''.join(f'{line}\n' for line in others))
    with pytest.raises(InputError, match=r'\(not run: source-only\); .* --mixed demo'):
        FILL_IN['make_tables'](out)
    FILL_IN['make_tables'](out, mixed=True)
    assert 'not run: source-only' in (out / 'table.txt').read_text()


def test_a_figure_that_is_not_of_its_counts_is_refused_in_any_case(tmp_path):
    def other(number):
        return {'mIoU': 99.0, 'IoU.road': 1.0}

    out = results_folder(
        tmp_path, shared_sources=lambda number: 'd1', git=clean, metrics=other
    )
    with pytest.raises(InputError, match=r'source-only seed 0, .*: mIoU is 99\.00, '):
        FILL_IN['make_tables'](out, mixed=True)


def test_an_unknown_folder_is_named(tmp_path):
    results_folder(tmp_path)
    with pytest.raises(
        InputError, match=r'--mixed camvid: no such folder; choose from'
    ):
        FILL_IN['make_all'](tmp_path, ['camvid'])


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


@pytest.mark.parametrize('page', PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text()), f'{target}#{anchor}'


def anchors(text):
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r'^#+ (.*)$', text, re.MULTILINE)
    return {re.sub(r'[^\w -]', '', h).lower().replace(' ', '-') for h in headings}


@pytest.mark.parametrize('page', PAGES, ids=page_id)
def test_files_that_a_page_names_exist(page):
    names = [name for name in NAMED.findall(page.read_text()) if not OWN.search(name)]
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_readme_is_short():
    assert len(readme().splitlines()) <= 110


def test_the_pair_of_own_data_is_trained_as_it_says(tmp_path):
    text = (ROOT / 'docs' / 'own_data.md').read_text()
    (pair,) = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    classes = ROOT / 'configs/_base_/classes/camvid11.yaml'
    pair = pair.replace('data/mine/classes.yaml', str(classes))
    shutil.copytree(ROOT / 'configs', tmp_path / 'configs')
    (tmp_path / 'configs/_base_/pairs/my_pair.py').write_text(pair)
    (method,) = re.findall(r'tools/train.py (\S+) --pair my_pair', text)
    cfg = load_config(str(tmp_path / method), {}, 'segformer_b5', 'my_pair')
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[-1].end == 40000
    assert cfg.train_dataloader.dataset.target.data_prefix.img_path == (
        'data/mine/target/train'
    )
    assert cfg.model.decode_head.num_classes == 11


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['cff-version'] == '1.2.0'
    assert citation['version'] == cfcontra_mm.__version__
