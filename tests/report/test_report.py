import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cfcontra_mm.benchmark import Row
from cfcontra_mm.errors import InputError
from cfcontra_mm.report import write_report
from cfcontra_mm.report.charts import bars
from cfcontra_mm.report.images import _worst_confusions

SECTIONS = [
    *('Results', 'Published figures', 'Gains by class', 'Checkpoint selection'),
    *('Training curves', 'Images', 'Feature map', 'Confusion matrices', 'Runs'),
]
VOID = {'meta', 'link', 'img', 'input', 'br'}


class Reader(HTMLParser):
    """Tables as lists of rows, headings, images; every tag must be closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text = [], []
        self.tables, self.headings, self.images = [], [], []
        self.ids = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs['id']] if 'id' in attrs else []
        for place in ('src', 'href'):
            link = attrs.get(place, '')
            assert link.startswith(('data:', '#')) or not link, link
        if tag == 'img':
            self.images.append(attrs)
        if tag == 'table':
            self.tables.append([])
        if tag == 'tr':
            self.tables[-1].append([])
        if tag not in VOID:
            self.open.append(tag)
            self.text.append('')

    def handle_data(self, data):
        if self.text:
            self.text[-1] += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        text = self.text.pop()
        if tag == 'h2':
            self.headings.append(text)
        if tag in ('td', 'th'):
            self.tables[-1][-1].append(text)


def read(study, tmp_path):
    path = write_report(study, tmp_path / 'out')
    assert path == tmp_path / 'out' / 'report.html'
    text = path.read_text()
    return text, Reader(text.replace('<!doctype html>', ''))


def test_every_section_is_there_and_names_are_text(study, tmp_path):
    text, page = read(study, tmp_path)
    assert page.headings == SECTIONS
    assert '<b>' not in text
    assert 'a &lt;study&gt;' in text
    assert len(set(page.ids)) == len(page.ids)
    anchors = re.findall(r'href="#(.*?)"', text)
    assert set(anchors) <= set(page.ids)
    assert len(anchors) == len(SECTIONS)
    # Curves, features, two confusions, three images of input, truth and two rows.
    assert len(page.images) == 1 + 1 + 2 + 3 * 4
    assert all(image['alt'] for image in page.images)
    assert 'http' not in text


def test_figures_are_those_of_the_table(study, tmp_path):
    _, page = read(study, tmp_path)
    short, whole, published, gains, selection, runs = page.tables
    assert short[0][:3] == ['method', 'mIoU', 'Δ before']
    assert short[1][:3] == ['before', '17.0 ± 2.8', '-']
    assert short[3][:3] == ['<b>&"after"', '27.0 ± 2.8', '+10.0']
    assert whole[3][:3] == ['<b>&"after"', '47.0', '7.0']
    assert [row[:2] for row in published] == [
        ['before, ours', '17.0'],
        ['before, published', '33.3'],
    ]
    assert [row[:2] for row in gains] == [['road', '+25.0'], ['sky', '-5.0']]
    assert selection[1][:2] == ['before', '17.0 ± 2.8']
    assert runs[4] == [
        *(
            '<b>&"after" seed 1',
            'done',
            '29.00',
            '20',
            '2.50',
            '1.5 from 10 on',
            '',
            '1.2',
        ),
        *('c0ffeec0ff+', 'a device', '9.9'),
    ]


def test_without_the_runs_the_tables_remain(study, tmp_path):
    shutil.rmtree(tmp_path / 'runs')
    text, page = read(study, tmp_path)
    assert page.headings == [name for name in SECTIONS if name != 'Feature map']
    assert text.count('the folders of the runs were not found') == 3
    assert len(page.tables) == 6
    assert not page.images


def test_without_the_data_a_sentence_says_so(study, tmp_path):
    shutil.rmtree(tmp_path / 'data')
    text, page = read(study, tmp_path)
    assert len(page.images) == 2  # curves and features
    assert text.count('Not shown: ') == 2


def test_a_damaged_file_of_features_costs_the_map_alone(study, tmp_path):
    (tmp_path / 'runs' / 'run_0' / 'features.npz').write_text('no array')
    text, page = read(study, tmp_path)
    assert page.headings == SECTIONS
    assert text.count('Not shown: ') == 1


def test_rows_that_failed_or_are_missing(study, tmp_path):
    path = tmp_path / 'out' / 'results.jsonl'
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    failed = {'row': 'before', 'seed': 1, 'status': 'failed', 'error': 'out of <luck>'}
    lines = [lines[0], failed, *lines[2:]]
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    study = replace(study, rows=(*study.rows, Row('later', study.rows[0].config)))
    text, page = read(study, tmp_path)
    assert [row[1] for row in page.tables[0][1:]] == [
        *('failed', '33.3', '27.0 ± 2.8', 'not run'),
    ]
    assert 'Gains by class' not in page.headings
    assert 'failed: out of &lt;luck&gt;' in text


def test_one_seed_and_a_class_without_pixels(study, tmp_path):
    path = tmp_path / 'out' / 'results.jsonl'
    path.write_text(path.read_text().replace('"IoU.sky": 5', '"IoU.sky": null'))
    page = read(replace(study, seeds=(0,)), tmp_path)[1]
    gains = page.tables[3]
    assert [row[:2] for row in gains] == [['road', '+25.0'], ['sky', 'nan']]


def test_a_published_figure_that_is_no_number_has_no_bar(study, tmp_path):
    printed = {'before': {'mIoU': 33.3}, '<b>&"after"': {'mIoU': 'about 40'}}
    page = read(replace(study, published=printed), tmp_path)[1]
    bars = [row[0] for row in page.tables[2]]
    assert bars == ['before, ours', 'before, published', '<b>&"after", ours']


def test_no_results(study, tmp_path):
    with pytest.raises(InputError, match='no results yet'):
        write_report(study, tmp_path)
    assert list(tmp_path.glob('report*')) == []


def test_the_same_results_give_the_same_report(study, tmp_path):
    first = read(study, tmp_path)[0]
    assert read(study, tmp_path)[0] == first
    assert list(Path(tmp_path / 'out').glob('*.tmp*')) == []


def test_bars_are_as_long_as_their_numbers():
    text = bars({'a': 5.0, 'b': -10.0, 'c': float('nan')}, 10.0, 'unit', signed=True)
    assert re.findall(r'class="(\w+)" style="--share:([\d.]+)"', text) == [
        ('gain', '0.5000'),
        ('loss', '1.0000'),
    ]
    assert 'gain muted' in bars({'a': 5.0}, 10.0, 'unit', muted=['a'])


def test_worst_confusions_in_words():
    matrix = np.array([[90, 10, 0], [30, 60, 10], [0, 0, 0]])
    text = _worst_confusions(matrix, ('road', 'sky', 'car'))
    assert text.startswith('30 % of sky is taken for road; 10 % of ')
