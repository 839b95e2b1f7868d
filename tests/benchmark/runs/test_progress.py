import io
import re
import time
from dataclasses import replace

import pytest
from rich.console import Console

from cfcontra_mm.benchmark.runs import progress
from cfcontra_mm.benchmark.runs.progress import (
    ProgressPrinter,
    Status,
    format_seconds,
    progress_line,
    progress_view,
    read_training,
    seconds_left,
)


def status(state, iteration, pace=None, label='a', max_iters=100):
    return Status(label, state, iteration, max_iters, pace)


@pytest.mark.parametrize(
    ('statuses', 'workers', 'expected'),
    [
        ([status('queued', 0)], 2, None),
        ([status('training', 40, pace=0.5)], 2, 30.0),
        # Two workers end in 10 s and 60 s; the queued run takes 75 s after the first.
        (
            [
                status('training', 80, pace=0.5),
                status('training', 40, pace=1.0),
                status('queued', 0),
            ],
            2,
            85.0,
        ),
        # One worker: everything in turn, at the one pace that is known.
        ([status('training', 80, pace=0.5), status('queued', 50)], 1, 35.0),
        # What failed is not waited for, what is done still tells the speed.
        (
            [status('done', 100, pace=0.2), status('failed', 5), status('queued', 0)],
            1,
            20.0,
        ),
        ([status('testing', 100, pace=0.2)], 1, 0.0),
        # What a scheduler has waits for its slots: ten runs of 100 s on each of two.
        ([status('done', 100, pace=1.0)] + [status('submitted', 0)] * 20, 2, 1000.0),
    ],
)
def test_seconds_left(statuses, workers, expected):
    assert seconds_left(statuses, workers) == pytest.approx(expected)


def test_progress_line_counts_all_runs():
    line = progress_line(
        [
            status('done', 100, label='source'),
            status('training', 20, pace=1.5, label='MinEnt'),
            status('testing', 100, pace=1.5, label='oracle'),
            status('translating', 0, label='copy', max_iters=0),
            status('queued', 0, label='later'),
        ],
        num_workers=4,
    )
    assert line == (
        '220/400 it (55 %) | ETA 2:30 | '
        'MinEnt 20/100, oracle 100/100 testing, copy translating'
    )


def test_format_seconds():
    assert [format_seconds(s) for s in (None, 0, 59.6, 3725)] == [
        '--:--',
        '0:00',
        '1:00',
        '1:02:05',
    ]


def write_log(work_dir, stamp, text):
    path = work_dir / stamp / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_read_training_skips_validation_and_a_torn_line(tmp_path):
    text = (
        '{"loss": 1.0, "time": 0.2, "iter": 50, "step": 50}\n'
        '{"loss": 1.0, "time": 0.4, "iter": 100, "step": 100}\n'
        '{"mIoU": 30.0, "time": 9.0, "step": 100}\n{"loss": 1.0, "ti'
    )
    write_log(tmp_path, '20250102_000000', text)
    write_log(tmp_path, '20250101_000000', text.replace('100', '900'))
    assert read_training(tmp_path, since=0) == (100, pytest.approx(0.3), 30.0)


def test_read_training_ignores_an_earlier_attempt(tmp_path):
    assert read_training(tmp_path, since=0) == (0, None, None)
    write_log(tmp_path, '20250101_000000', '{"time": 0.2, "iter": 50}')
    assert read_training(tmp_path, since=time.time() + 10) == (0, None, None)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(stream):
    """What a terminal was sent, without its escape sequences."""
    return re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', stream.getvalue())


def test_terminal_shows_the_view_and_gets_its_cursor_back(monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    stream = Terminal()
    running = replace(status('training', 20, pace=1.5, label='[b]'), latest_miou=31.26)
    queued = [status('queued', 0, label=f'later {index}') for index in range(7)]
    with ProgressPrinter(stream) as printer:
        printer.show([running, *queued], num_workers=1)
        printer.message('[b]: done')
    text = printed(stream)
    assert '20/800 it (2 %) | ETA 19:30' in text  # 780 iterations of 1.5 s
    (line,) = [x for x in text.splitlines() if 'training' in x][:1]
    assert line.split() == ['[b]', 'training', '20/100', '2:00', '31.3']
    assert 'later 4' in text
    assert 'later 5' not in text
    assert '2 more' in text
    assert '[b]: done' in text
    assert stream.getvalue().count('\x1b[?25l') == stream.getvalue().count('\x1b[?25h')


def test_view_cuts_short_what_waits_for_a_scheduler_too():
    submitted = [status('submitted', 0, label=f'later_{index}') for index in range(4)]
    queued = [status('queued', 0, label=f'last_{index}') for index in range(3)]
    steps = [*submitted, *queued, status('testing', 100, label='now')]
    console = Console(file=io.StringIO(), width=80)
    console.print(progress_view(steps, 2))
    lines = [line.split()[:3] for line in console.file.getvalue().splitlines()]
    assert [words for words in lines if len(words) == 3][2:] == [
        ['now', 'testing', '100/100'],
        *([f'later_{index}', 'submitted', '0/100'] for index in range(4)),
        ['last_0', 'queued', '0/100'],
        ['2', 'more', 'waiting'],
    ]


def test_terminal_line_is_rewritten_and_fits(monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '10')
    stream = Terminal()
    with ProgressPrinter(stream) as printer:
        printer.update('0123456789abc')
        printer.update('next')
        printer.message('longer than ten columns')
    text = printed(stream)
    assert '0123456789' in text
    assert 'a' not in text.split('next')[0]
    assert 'next' in text
    assert 'longer than ten columns' in text
    assert '\x1b[2K' in stream.getvalue()  # a line that is erased


def test_view_fits_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '40')
    stream = Terminal()
    with ProgressPrinter(stream) as printer:
        printer.show([status('training', 20, label='a long name ' * 9)], 1)
    assert max(map(len, printed(stream).splitlines())) <= 40


def test_plain_lines_keep_their_distance(monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now)
    stream = io.StringIO()
    printer = ProgressPrinter(stream)
    for now in (100.0, 110.0, 119.9, 120.0):
        printer.update(f'at {now}')
    assert stream.getvalue() == 'at 100.0\nat 120.0\n'
