"""The shares at a checkpoint are those that the training itself would measure."""

import math

import pytest
import torch
from helpers import case_of, narrow_discriminators

from cfcontra_mm.analysis.loss_shares import collect_loss_shares, table_of_shares
from cfcontra_mm.contract.jobs import run_jobs, train, training_config
from cfcontra_mm.engine.loss_shares import LossShare
from cfcontra_mm.engine.loss_shares_hook import logged_name
from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.errors import InputError


def collect(case, toystreets, checkpoint, batches=2, **options):
    cfg = training_config(case, str(toystreets), 'none', options)
    with narrow_discriminators():
        return collect_loss_shares(cfg, str(checkpoint), batches)


@pytest.mark.slow
@pytest.mark.parametrize('folder', ['dacs', 'clan', 'cfcontra'])
def test_the_next_batches_of_the_training(folder, toystreets, tmp_path):
    case = case_of(folder)
    options = {'default_hooks.loss_shares.interval': 1}
    run_jobs(train, [(case, str(toystreets), str(tmp_path), options)])
    basis, (share, other) = collect(case, toystreets, tmp_path / 'iter_2.pth')
    assert basis == 'backbone'
    logged = read_curves(tmp_path).training[3]
    counted = {term: s for term, s in share.items() if not s.is_beside}
    assert len(counted) >= 3
    for term, found in counted.items():
        name = logged_name(term)
        assert found.share == pytest.approx(logged[f'share/{name}'], rel=1e-5), term
        if found.norm:
            wanted = logged[f'cosine/{name}']
            assert found.cosine == pytest.approx(wanted, rel=1e-4, abs=1e-6), term
    assert share.keys() == other.keys()
    assert share != other


@pytest.fixture(scope='module')
def trained(toystreets, tmp_path_factory):
    """Checkpoint of source-only; its training normalises by running statistics."""
    folder = tmp_path_factory.mktemp('trained')
    options = {'model.backbone.norm_eval': True}
    job = (case_of('source_only'), str(toystreets), str(folder), options)
    run_jobs(train, [job])
    return folder / 'iter_4.pth'


def with_statistics_doubled(path, to, both=False):
    state = torch.load(path, weights_only=False)
    running, own = state.pop('running_statistics'), state['state_dict']
    for name, value in running.items():
        own[name] = 2 * value
    assert running
    more = dict(running_statistics=running) if both else {}
    torch.save(state | more, to)
    return to


@pytest.mark.slow
def test_the_statistics_of_the_training_are_used(trained, toystreets, tmp_path):
    case, options = case_of('source_only'), {'model.backbone.norm_eval': True}
    changed = with_statistics_doubled(trained, tmp_path / 'a.pth')
    both = with_statistics_doubled(trained, tmp_path / 'b.pth', both=True)
    first, second, third = (
        collect(case, toystreets, path, 1, **options)[1][0]['source.decode.loss_ce']
        for path in (trained, changed, both)
    )
    assert first == third
    assert first.norm != second.norm


@pytest.mark.slow
def test_a_checkpoint_of_another_method_is_refused(trained, toystreets):
    with pytest.raises(InputError, match=r'class_centers\.centers is missing; use the'):
        collect(case_of('cfcontra'), toystreets, trained)


def share(norm, share=10.0, trains='backbone', cosine=0.5):
    return LossShare(norm, share, norm / 2, cosine, 50.0, False, trains)


def test_the_table_has_means_ranges_and_reasons():
    batches = [
        {
            'a.loss_ce': share(norm, norm),
            'b.loss_none': share(0.0, 0.0, '', math.nan),
            'b.loss_disc': share(0.0, 0.0, 'discriminators', math.nan),
        }
        for norm in (1.0, 4.0)
    ]
    lines = table_of_shares('backbone', batches).splitlines()
    cells = [cell.strip() for cell in lines[3].split('|')[1:-1]]
    assert cells == [
        *('a.loss_ce', '2.5 [1, 4]', '2.5 [1, 4]', '1.25 [0.5, 2]', '0.5', '50')
    ]
    assert [cell.strip() for cell in lines[4].split('|')[5:6]] == ['-']
    assert lines[-3:] == [
        'norms and shares are of the gradient on the backbone',
        'b.loss_none: no gradient on any parameter; it trains nothing',
        'b.loss_disc: no gradient on it; trains discriminators alone',
    ]
