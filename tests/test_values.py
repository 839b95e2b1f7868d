"""What stands behind the ``=`` of an option."""

import pytest

from cfcontra_mm.values import parse_value, parse_word

PATHS = [
    '/tmp/my data/c.yaml',
    '/data/a,b/images',
    '/data/[x]/images',
    '/data/(x)/images',
    '/data/[x/images',
    "/data/it's/images",
    '/data/"q"/images',
    '/data/a=b/images',
    '/data/Straße/画像',
    '[x]/images',
    '2024',
    'True',
    '1e3',
    '{x}',
]


@pytest.mark.parametrize('path', PATHS)
@pytest.mark.parametrize('present', ['', 'data/gta5'])
def test_a_string_stays_as_it_is(path, present):
    assert parse_value(path, present) == path


@pytest.mark.parametrize('path', [path for path in PATHS if path.startswith('/')])
@pytest.mark.parametrize('present', [None, 3])
def test_a_path_stays_as_it_is_wherever_it_is_set(path, present):
    assert parse_value(path, present) == path


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('5', 5),
        ('-5', -5),
        ('1e-3', 1e-3),
        ('True', True),
        ('false', False),
        ('None', None),
        ('abc', 'abc'),
        ('', ''),
        ('1,2', [1, 2]),
        ('a,b', ['a', 'b']),
        ('[1,2]', [1, 2]),
        ('[1, 2]', [1, 2]),
        ('(1,2)', (1, 2)),
        ('(1,)', (1,)),
        ('[]', []),
        ('[(1,2),[a,b],c]', [(1, 2), ['a', 'b'], 'c']),
        ('(0.5,0.5),(1,1)', [(0.5, 0.5), (1, 1)]),
        ("'a b'", 'a b'),
        ('"[1,2]"', '[1,2]'),
        ('[1,2', '[1,2'),
        ('data/a,data/b', 'data/a,data/b'),
        ('[data/a, data/b]', ['data/a', 'data/b']),
    ],
)
def test_anything_else_is_parsed(text, value):
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_the_present_value_decides():
    assert parse_value('data/a,data/b', ['x']) == ['data/a', 'data/b']
    assert parse_value('None', 'torchvision') is None
    assert parse_value("'a b'", 'x') == 'a b'
    assert parse_value('3', 2.5) == 3


def test_commas_of_another_program_are_its_own():
    assert parse_word('node1,node2') == 'node1,node2'
    assert parse_word('2880') == 2880
    assert parse_word('--mem 5 --x=y') == '--mem 5 --x=y'
