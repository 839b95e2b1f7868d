"""The house: which room may import which, and what is written in one place alone."""

import ast
import graphlib
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = 'cfcontra_mm'
FILES = sorted((ROOT / PACKAGE).rglob('*.py'))

# From the ground up: a room imports from its own storey and from those below.
STOREYS = [
    {'ground', 'config'},
    {'losses'},
    {'models', 'datasets', 'toystreets'},
    {'translation', 'evaluation'},
    {'methods'},
    {'engine'},
    {'analysis', 'benchmark.study', 'benchmark.results'},
    {'benchmark.tables'},
    {'benchmark.runs'},
    {'benchmark.search'},
    {'benchmark'},
    {'report'},
    {'contract'},
]
# MMEngine calls the step on the model.
UPWARD = {('methods.base', 'engine.step')}
# They hand on what is in them, which is no arrow of theirs.
FACES = {'', *(room for storey in STOREYS for room in storey)}


def name_of(path):
    parts = path.relative_to(ROOT / PACKAGE).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


NAMES = {name_of(path): path for path in FILES}


def imports_of(path):
    """Modules of the package that a file imports, in functions too."""
    name = name_of(path)
    package = name if path.name == '__init__.py' else name.rpartition('.')[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split('.')[0] == PACKAGE:
                    yield alias.name.partition('.')[2]
        if isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parts = package.split('.') if package else []
                kept = parts[: len(parts) - node.level + 1]
                base = '.'.join([*kept, *filter(None, [node.module])])
            elif base.split('.')[0] == PACKAGE:
                base = base.partition('.')[2]
            else:
                continue
            for alias in node.names:
                full = '.'.join(filter(None, [base, alias.name]))
                yield full if full in NAMES else base


GRAPH = {name: set(imports_of(path)) - {name} for name, path in NAMES.items()}


def room_of(module):
    parts = module.split('.')
    inner = '.'.join(parts[:2])
    if inner in FACES:
        return inner
    return parts[0] if (ROOT / PACKAGE / parts[0]).is_dir() else 'ground'


def storey_of(module):
    room = room_of(module)
    return next(n for n, rooms in enumerate(STOREYS) if room in rooms)


def test_no_module_imports_itself_by_a_detour():
    graphlib.TopologicalSorter(GRAPH).prepare()


def test_a_circle_is_found():
    circle = GRAPH | {'errors': {'methods.base'}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(circle).prepare()


def test_imports_run_downward():
    up = {
        (module, imported)
        for module, found in GRAPH.items()
        for imported in found
        if module and imported and storey_of(imported) > storey_of(module)
    }
    assert up == UPWARD


def test_rooms_of_a_storey_do_not_import_each_other():
    beside = {
        (room_of(module), room_of(imported))
        for module, found in GRAPH.items()
        for imported in found
        if module and imported and storey_of(imported) == storey_of(module)
    }
    pairs = {(a, b) for a, b in beside if a != b}
    assert not {(a, b) for a, b in pairs if (b, a) in pairs}
    assert pairs <= {('config', 'ground'), ('benchmark.study', 'toystreets')}


@pytest.mark.parametrize(
    ('room', 'allowed'),
    [
        ('toystreets', {'numpy', 'PIL'}),
        ('losses', {'torch', 'mmseg'}),
    ],
)
def test_what_a_room_imports_from_outside(room, allowed):
    found = set()
    for path in (ROOT / PACKAGE / room).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split('.')[0])
    import sys

    assert found - sys.stdlib_module_names - {PACKAGE} <= allowed


# What is done in one place: a pattern, and the files that may hold it.
ONCE = {
    r'Config\.fromfile\(': {'config/reading.py', 'config/combination.py'},
    r'\.tmp\b': {'files.py'},
    r'except InputError as error:\n +print\(': set(),
    r'flock\(': {'files.py'},
}


@pytest.mark.parametrize('pattern', ONCE)
def test_what_is_done_in_one_place(pattern):
    files = [*FILES, *(ROOT / 'tools').rglob('*.py')]
    found = {path for path in files if re.search(pattern, path.read_text())}
    assert found <= {ROOT / PACKAGE / name for name in ONCE[pattern]}


def test_every_command_line_reports_errors_alike():
    for path in (ROOT / 'tools').rglob('*.py'):
        # The demo becomes tools/benchmark.py; the launcher only starts other tools, and
        # importing the package takes long.
        if path.name not in ('demo.py', 'launch.py'):
            assert '@command_line\ndef main()' in path.read_text(), path


def test_functions_fit_on_a_screen():
    lengths = sorted(
        node.end_lineno - node.lineno + 1 - docstring_lines(node)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    )
    assert statistics.median(lengths) <= 8
    assert lengths[len(lengths) * 9 // 10] < 23


def docstring_lines(node):
    first = node.body[0]
    if ast.get_docstring(node) is None:
        return 0
    return first.end_lineno - first.lineno + 1


def test_tests_mirror_the_package():
    rooms = {path.name for path in (ROOT / PACKAGE).iterdir() if path.is_dir()}
    rooms -= {'__pycache__', '.mim'}
    tests = {path.name for path in (ROOT / 'tests').iterdir() if path.is_dir()}
    assert rooms <= tests
