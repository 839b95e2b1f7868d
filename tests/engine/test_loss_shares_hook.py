"""What a training logs and warns of its losses, and that a resumed one knows it."""

import json

import pytest
import torch
from helpers import case_of

from cfcontra_mm.contract.jobs import run_jobs, train
from cfcontra_mm.engine.loss_shares_hook import LARGEST, logged_name
from cfcontra_mm.engine.training_log import read_curves

pytestmark = pytest.mark.slow
AUX = 'target.aux.loss_ent'


def run(folder, toystreets, work_dir, **options):
    """Train for four iterations, of which the first and every second are measured."""
    options = {'default_hooks.loss_shares.interval': 2, **options}
    # In a process of its own, as MMEngine has one log a process.
    run_jobs(train, [(case_of(folder), str(toystreets), str(work_dir), options)])
    return work_dir


@pytest.fixture(scope='module')
def minent(toystreets, tmp_path_factory):
    """A training of MinEnt whose main entropy has a fair share."""
    weight = {'model.loss_entropy.decode.loss_weight': 5.0}
    return run('minent', toystreets, tmp_path_factory.mktemp('minent'), **weight)


def text_of(work_dir):
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


def warnings_of(work_dir):
    lines = text_of(work_dir).splitlines()
    return [line.split('WARNING - ')[1] for line in lines if 'raise its weight' in line]


def shares_of(curves):
    """Logged shares by iteration, without iterations that have none."""
    found = {
        iteration: {k: v for k, v in values.items() if k.startswith('share/')}
        for iteration, values in curves.training.items()
    }
    return {iteration: shares for iteration, shares in found.items() if shares}


def test_the_first_and_every_second_iteration_are_logged(minent):
    shares = shares_of(read_curves(minent))
    assert list(shares) == [1, 2, 4]
    terms = [
        *('source.decode.ce', 'source.aux.ce'),
        *('target.decode.ent', 'target.aux.ent'),
    ]
    for values in shares.values():
        assert list(values) == [f'share/{term}' for term in terms]
        assert sum(values.values()) == pytest.approx(100)
    logged = read_curves(minent).training[1]
    assert logged['gradient_left'] == 100
    assert 0.9 < logged['cosine/source.decode.ce'] <= 1


def test_clipping_is_logged(toystreets, tmp_path):
    clip = {'optim_wrapper.clip_grad': dict(max_norm=1e-3)}
    curves = read_curves(run('source_only', toystreets, tmp_path, **clip))
    assert 0 < curves.training[4]['gradient_left'] < 1


def test_no_name_makes_a_value_a_loss(minent):
    (path,) = minent.glob('*/vis_data/scalars.json')
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    measured = [entry for entry in entries if 'gradient_left' in entry]
    assert len(measured) == 3
    assert not [key for entry in measured for key in entry if 'loss' in key]


def test_the_curves_hold_the_largest(minent):
    curves = read_curves(minent)
    shares = shares_of(curves)
    for term, largest in curves.loss_shares.items():
        assert largest == max(values[f'share/{term}'] for values in shares.values())
    assert len(curves.loss_shares) == 4


def test_an_idle_term_is_warned_of_once(minent):
    largest = read_curves(minent).loss_shares['target.aux.ent']
    assert 0 < largest < 1 < read_curves(minent).loss_shares['target.decode.ent']
    assert warnings_of(minent) == [
        'target.aux.loss_ent: below 1 % of the gradient on the backbone in every '
        f'measurement (largest {largest:.2g} %); raise its weight or leave it out'
    ]


def test_supervised_terms_are_not_warned_of(toystreets, tmp_path):
    weight = {'model.auxiliary_head.loss_decode.loss_weight': 1e-6}
    run('source_only', toystreets, tmp_path, **weight)
    assert 'source.aux.loss_ce' in text_of(tmp_path)
    assert read_curves(tmp_path).loss_shares['source.aux.ce'] < 1
    assert warnings_of(tmp_path) == []


def test_heads_and_discriminators_may_have_their_own(toystreets, tmp_path):
    run('clan', toystreets, tmp_path)
    (warning,) = warnings_of(tmp_path)
    assert warning.startswith('target.decode.loss_adv: below 1 %')
    assert 'source.decode.divergence' not in read_curves(tmp_path).loss_shares
    assert 'source.decode.disc' not in read_curves(tmp_path).loss_shares


@pytest.mark.parametrize('earlier', [None, 50.0])
def test_a_resumed_training_knows_the_largest(minent, toystreets, tmp_path, earlier):
    state = torch.load(minent / 'iter_2.pth', weights_only=False)
    if earlier:
        state['message_hub']['runtime_info'][LARGEST][AUX] = earlier
    torch.save(state, tmp_path / 'iter_2.pth')
    options = {
        'model.loss_entropy.decode.loss_weight': 5.0,
        'load_from': str(tmp_path / 'iter_2.pth'),
        'resume': True,
    }
    run('minent', toystreets, tmp_path, **options)
    straight, resumed = largest_of(minent), largest_of(tmp_path)
    assert resumed == straight | ({AUX: earlier} if earlier else {})
    assert warnings_of(tmp_path) == ([] if earlier else warnings_of(minent))


def largest_of(work_dir):
    checkpoint = torch.load(work_dir / 'iter_4.pth', weights_only=False)
    return checkpoint['message_hub']['runtime_info'][LARGEST]


@pytest.mark.parametrize(
    ('term', 'name'),
    [
        ('target.decode.loss_ent', 'target.decode.ent'),
        ('source.loss_contra_target', 'source.contra_target'),
        ('mixed.decode.ce_loss', 'mixed.decode.ce'),
        ('target.loss', 'target.term'),
        ('target.mylosses', 'target.mytermes'),
    ],
)
def test_logged_names(term, name):
    assert logged_name(term) == name
