"""What a command line makes of errors and of its options."""

import argparse
import errno
import os

import pytest
import torch

from cfcontra_mm.command_line import (
    ArgumentParser,
    _show_warning,
    add_launcher_arguments,
    add_options_argument,
    describe,
    output_file,
    output_folder,
    positive,
    seed,
)
from cfcontra_mm.errors import InputError


def raised(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError('nothing was raised')


def raises(error):
    raise error


@pytest.mark.parametrize(
    ('number', 'advice'),
    [
        (errno.ENOENT, 'check the path'),
        (errno.EACCES, 'permissions'),
        (errno.ENOSPC, 'free some space'),
        (errno.ENOTDIR, 'another path'),
        (errno.EEXIST, 'another path'),
        (errno.EISDIR, 'give a file'),
        (errno.EROFS, 'another path'),
        (errno.EMFILE, 'ulimit'),
        (errno.EIO, 'check it'),
    ],
)
def test_an_error_of_the_system_names_the_file_and_a_way_out(number, advice):
    error = OSError(number, os.strerror(number), 'a/b.png')
    line = describe(error)
    assert line.startswith(f'a/b.png: {os.strerror(number).lower()}; ')
    assert advice in line


def test_a_full_disk_is_named_without_a_file():
    line = describe(OSError(errno.ENOSPC, 'No space left on device'))
    assert line == 'no space left on device; free some space'


def test_output_that_nobody_reads(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, 'w', buffering=1) as stream:
        monkeypatch.setattr('sys.stdout', stream)
        error = raised(lambda: print('x', flush=True))
        assert describe(error).startswith('standard output: broken pipe; ')


def test_a_missing_package():
    def missing():
        import no_such_package.part  # noqa: F401

    assert describe(raised(missing)) == (
        'no_such_package: is not installed; pip install no_such_package'
    )
    message = 'Please run "pip install future tensorboard" to install it.'
    assert describe(ImportError(message)) == message


@pytest.mark.parametrize('name', ['a\nb', 'a\r\tb', 'a\x1b[2Jb', 'a\u2028b', 'a\x85b'])
def test_a_name_that_cannot_be_printed_is_escaped(name, capsys):
    shown = repr(name)[1:-1]
    wrong = InputError(f'folder/{name}.png: truncated; restore it')
    assert describe(wrong) == f'folder/{shown}.png: truncated; restore it'
    missing = OSError(errno.ENOENT, 'No such file', f'folder/{name}.png')
    assert describe(missing).startswith(f'folder/{shown}.png: no such file; ')
    _show_warning(f'{name}: x', UserWarning, 'a.py', 1)
    assert capsys.readouterr().err == f'warning: {shown}: x\n'


class Unreadable(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise InputError('folder/a\nb.png: truncated; restore it')


def test_the_message_of_a_data_worker():
    loader = torch.utils.data.DataLoader(Unreadable(), num_workers=1)
    error = raised(lambda: next(iter(loader)))
    assert 'Traceback' in str(error)
    assert describe(error) == 'folder/a\\nb.png: truncated; restore it'


def test_ordinary_names_stay_as_they_are():
    text = 'ü ß/画像 (1)\\n.png: x'
    assert describe(InputError(text)) == text


def test_too_small_a_machine():
    line = describe(torch.OutOfMemoryError('CUDA out of memory. Tried ...'))
    assert 'reduce train_dataloader.batch_size' in line
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**18)
    assert 'out of memory; reduce' in describe(caught.value)
    line = describe(RuntimeError('PytorchStreamWriter failed writing file data/0'))
    assert 'free some space' in line
    line = describe(RuntimeError('DataLoader worker (pid 7) is killed by signal: 9.'))
    assert 'reduce train_dataloader.num_workers' in line


@pytest.mark.parametrize(
    'error',
    [
        ValueError('x'),
        KeyError('x'),
        RuntimeError('x'),
        AssertionError(),
        ImportError('cannot import name x'),
        ModuleNotFoundError('x', name='cfcontra_mm.x'),
        OSError('x'),
        ConnectionResetError(errno.ECONNRESET, 'x'),
    ],
)
def test_a_mistake_in_the_code_is_described_by_its_traceback(error):
    assert describe(raised(lambda: raises(error))) is None


@pytest.mark.parametrize(
    ('cfg', 'said'),
    [
        (
            dict(type='DeepLabResNet', depth=19),
            'config: DeepLabResNet: invalid depth 19',
        ),
        (
            dict(type='CrossEntropyLoss', use_sigmoid=True, use_mask=True),
            'config: Cross',
        ),
    ],
)
def test_what_a_library_says_of_its_settings(cfg, said):
    from mmseg.registry import MODELS

    import cfcontra_mm  # noqa: F401

    error = raised(lambda: MODELS.build(cfg))
    assert said in describe(error)
    assert '\n' not in describe(error)


def parse(*arguments):
    parser = ArgumentParser()
    parser.add_argument('--number', type=positive)
    parser.add_argument('--seed', type=seed)
    add_options_argument(parser)
    add_launcher_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--number', '0'], "--number: '0' is not a positive integer"),
        (['--seed', '-1'], "--seed: '-1' is not an integer"),
        (['--seed', '4294967296'], '--seed'),
        (['--nmber', '1'], 'did you mean --number?'),
        (['--cfg-options', 'a'], "--cfg-options: 'a' is not KEY=VALUE"),
        (['--launcher', 'pytorch'], '--launcher pytorch: RANK is not set'),
    ],
)
def test_wrong_arguments(arguments, said, monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(InputError) as caught:
        parse(*arguments)
    assert said in str(caught.value)
    assert '\n' not in str(caught.value)


def test_options_are_kept_as_they_were_typed():
    text = '/my data/a,b=c/[x]'
    options = parse('--cfg-options', f'a.b={text}', '--cfg-options', 'c=1').cfg_options
    assert options == {'a.b': text, 'c': '1'}


def test_a_launcher_that_started_the_process(monkeypatch):
    monkeypatch.setenv('RANK', '0')
    assert parse('--launcher', 'pytorch').launcher == 'pytorch'
    assert parse('--launcher', 'none').launcher == 'none'


@pytest.mark.parametrize(
    'place', ['file', 'file/below', 'file/far/below', 'locked/new']
)
def test_where_nothing_can_be_written(tmp_path, monkeypatch, place):
    (tmp_path / 'file').touch()
    (tmp_path / 'locked').mkdir()
    access = os.access  # root may write anywhere
    locked = tmp_path / 'locked'
    monkeypatch.setattr('os.access', lambda p, mode: p != locked and access(p, mode))
    for parse_path, path in (
        (output_folder, tmp_path / place),
        (output_file, tmp_path / place / 'a.png'),
    ):
        with pytest.raises(argparse.ArgumentTypeError, match=r'file|locked'):
            parse_path(str(path))


def test_where_something_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'here').mkdir()
    for folder in ('here', 'new', 'new/deep', '.', str(tmp_path / 'new')):
        assert output_folder(folder) == folder
        assert output_file(f'{folder}/a.png').name == 'a.png'
    with pytest.raises(argparse.ArgumentTypeError, match='here is a folder'):
        output_file('here')
    assert not (tmp_path / 'new').exists()
