"""A training that a signal ends, as a user starts it: real processes and signals."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cfcontra_mm.contract.test_resume import different, state
from cfcontra_mm.engine.stopping import SIGNALS
from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import locked
from cfcontra_mm.models.weights import read_checkpoint

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SECONDS = 150
ITERATIONS = 20
STOPPED = r'stopped by (\w+) after iteration (\d+); the same command with --resume'


def command(toystreets, work_dir, *arguments, **options):
    """A short training of MinEnt with two data workers, on a few small images."""
    city = toystreets / 'cityscapes'
    settings = {
        'train_dataloader.dataset.source.data_root': toystreets / 'gta5',
        'train_dataloader.dataset.target.data_root': city,
        'val_dataloader.dataset.data_root': city,
        'test_dataloader.dataset.data_root': city,
        'train_dataloader.batch_size': 2,
        'train_dataloader.sampler.per_domain.source': 1,
        'train_dataloader.sampler.per_domain.target': 1,
        'train_dataloader.num_workers': 2,
        'train_cfg.max_iters': ITERATIONS,
        'train_cfg.val_interval': 10,
        'default_hooks.checkpoint.interval': 10,
        'default_hooks.logger.interval': 1,
    } | options
    return [
        *(sys.executable, str(ROOT / 'tools' / 'train.py')),
        str(ROOT / 'configs' / 'minent' / 'deeplabv2_r18_toystreets.py'),
        *('--work-dir', str(work_dir), *map(str, arguments), '--cfg-options'),
        *(f'{key}={value}' for key, value in settings.items()),
    ]


def start(words, log):
    environment = dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    environment['PYTHONPATH'] = str(ROOT)
    with log.open('w') as file:
        return subprocess.Popen(
            words,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            # Whoever started the tests may ignore signals, which is inherited.
            preexec_fn=heed_signals,
        )


def heed_signals():
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def wait_for(process, log, text):
    """Wait until a training logs a text."""
    end = time.monotonic() + SECONDS
    while not re.search(text, log.read_text()):
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.02)


def ended(process, log):
    try:
        return process.wait(SECONDS), log.read_text()
    finally:
        process.kill()


def run(words, log):
    return ended(start(words, log), log)


@pytest.fixture(scope='module')
def straight(toystreets, tmp_path_factory):
    """Folder of a training that was never stopped."""
    folder = tmp_path_factory.mktemp('straight')
    status, log = run(command(toystreets, folder), folder / 'log.txt')
    assert status == 0, log[-3000:]
    return folder


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM', 'SIGHUP'])
def test_a_signal_ends_with_a_checkpoint_that_goes_on_exactly(
    toystreets, straight, tmp_path, name
):
    number, log = getattr(signal, name), tmp_path / 'log.txt'
    process = start(command(toystreets, tmp_path), log)
    wait_for(process, log, r'Iter\(train\)')
    # To the data workers too, as by Ctrl-C and by a scheduler.
    os.killpg(process.pid, number)
    status, text = ended(process, log)
    assert status == 128 + number
    assert 'Traceback' not in text
    said, iteration = re.search(STOPPED, text.splitlines()[-1]).groups()
    assert said == name
    saved = tmp_path / f'iter_{iteration}.pth'
    assert read_checkpoint(saved)['meta']['iter'] == int(iteration) < ITERATIONS
    status, text = run(command(toystreets, tmp_path, '--resume'), log)
    assert status == 0, text[-3000:]
    assert different(state(tmp_path, ITERATIONS), state(straight, ITERATIONS)) == []


def test_nohup_keeps_a_training_alive(toystreets, tmp_path):
    log = tmp_path / 'log.txt'
    process = start(['nohup', *command(toystreets, tmp_path)], log)
    wait_for(process, log, r'Iter\(train\)')
    os.kill(process.pid, signal.SIGHUP)
    assert ended(process, log)[0] == 0


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGKILL'])
def test_a_validation_that_was_cut_off_is_made_up(toystreets, straight, tmp_path, name):
    log = tmp_path / 'log.txt'
    # No iteration is validated before the last one, whose checkpoint is there.
    options = {'train_cfg.val_interval': ITERATIONS}
    process = start(command(toystreets, tmp_path, **options), log)
    wait_for(process, log, f'Saving checkpoint at {ITERATIONS} iterations')
    if name == 'SIGKILL':
        end = time.monotonic() + SECONDS
        while not (tmp_path / f'iter_{ITERATIONS}.pth').exists():
            assert time.monotonic() < end
            time.sleep(0.001)
    os.kill(process.pid, getattr(signal, name))
    ended(process, log)
    if ITERATIONS in read_curves(tmp_path).validations:
        pytest.skip('the validation was faster than the signal')
    status, text = run(command(toystreets, tmp_path, '--resume', **options), log)
    assert status == 0, text[-3000:]
    assert f'validating iteration {ITERATIONS}' in text
    made_up, expected = (
        read_curves(folder).validations[ITERATIONS] for folder in (tmp_path, straight)
    )
    assert made_up['mIoU'] == expected['mIoU']
    # A second time there is nothing to make up.
    status, text = run(command(toystreets, tmp_path, '--resume', **options), log)
    assert status == 0
    assert 'validating iteration' not in text


def test_one_training_at_a_time_in_a_work_dir(toystreets, tmp_path):
    with locked(tmp_path / '.lock', 'busy'):
        status, text = run(command(toystreets, tmp_path), tmp_path / 'log.txt')
    assert status == 2, text[-3000:]
    assert f'error: {tmp_path}: another training is running' in text.splitlines()[-1]


def test_nothing_that_a_killed_training_leaves_holds_the_lock(toystreets, tmp_path):
    log = tmp_path / 'log.txt'
    process = start(command(toystreets, tmp_path), log)
    wait_for(process, log, r'Iter\(train\)')
    with pytest.raises(InputError), locked(tmp_path / '.lock', 'busy'):
        pass
    process.kill()
    process.wait()
    with locked(tmp_path / '.lock', 'busy'):
        pass


def names_of(folder):
    return sorted(path.name for path in folder.glob('iter_*'))


def test_a_run_is_replaced_only_when_the_new_one_starts(toystreets, straight, tmp_path):
    folder, log = tmp_path / 'run', tmp_path / 'log.txt'
    shutil.copytree(straight, folder)
    before = names_of(folder)
    broken = {'model.backbone.weights': tmp_path / 'none.pth'}
    status, text = run(command(toystreets, folder, '--overwrite', **broken), log)
    assert status == 2, text[-3000:]
    assert names_of(folder) == before
    # From the weights of the run that is replaced.
    options = {'load_from': folder / before[-1], 'train_cfg.max_iters': 2}
    words = command(toystreets, folder, '--overwrite', **options)
    status, text = run(words, log)
    assert status == 0, text[-3000:]
    assert names_of(folder) == ['iter_2.pth']
    assert len(list(folder.glob('*/vis_data'))) == 1


def test_a_broken_image_costs_no_iteration(toystreets, tmp_path):
    data, folder, log = (tmp_path / name for name in ('data', 'run', 'log.txt'))
    shutil.copytree(toystreets, data)
    process = start(command(data, folder, **{'train_cfg.max_iters': 10000}), log)
    wait_for(process, log, r'Iter\(train\)')
    for image in data.glob('gta5/images/*.png'):
        image.write_bytes(b'none')
    status, text = ended(process, log)
    assert status == 2, text[-3000:]
    said = re.search(r'error: .*; iteration (\d+) is saved', text.splitlines()[-1])
    assert read_checkpoint(folder / f'iter_{said[1]}.pth')['meta']['iter'] > 0


def test_a_training_is_not_resumed_on_other_images(toystreets, straight, tmp_path):
    data, log = tmp_path / 'data', tmp_path / 'log.txt'
    shutil.copytree(toystreets, data)
    words = command(data, tmp_path, '--resume', straight / f'iter_{ITERATIONS}.pth')
    status, text = run(words, log)
    assert status == 0, text[-3000:]
    for kind in ('images', 'labels'):
        first = min(data.glob(f'gta5/{kind}/*.png'))
        first.rename(first.with_name('99999.png'))
    words[words.index(str(tmp_path))] = str(tmp_path / 'other')
    status, text = run(words, log)
    assert status == 2, text[-3000:]
    assert 'was trained on other images' in text.splitlines()[-1]


def test_all_ranks_end_alike_if_the_first_refuses(toystreets, tmp_path):
    words = command(toystreets, tmp_path, '--launcher', 'pytorch')
    launcher = str(ROOT / 'tools' / 'launch.py')
    with locked(tmp_path / '.lock', 'busy'):
        status, text = run([words[0], launcher, '2', *words[1:]], tmp_path / 'log.txt')
    assert status == 2, text[-3000:]
    assert text.count('error: ') == 1
    assert 'Traceback' not in text


def test_two_ranks_stop_at_the_same_iteration(toystreets, tmp_path):
    log = tmp_path / 'log.txt'
    words = command(toystreets, tmp_path, '--launcher', 'pytorch')
    launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']
    process = start([words[0], *launcher, *words[1:]], log)
    wait_for(process, log, r'Iter\(train\)')
    ranks = [int(p) for p in children(process.pid)]
    # One rank alone, as a scheduler may signal the processes one after the other.
    os.kill(max(ranks), signal.SIGTERM)
    _, text = ended(process, log)
    # A line that all ranks say is printed once.
    said = re.findall(STOPPED, text)
    assert len(said) == 1, text[-3000:]
    saved = read_checkpoint(tmp_path / f'iter_{said[0][1]}.pth')
    assert saved['meta']['world_size'] == 2


def children(pid):
    """Return the process ids of the ranks of a launcher."""
    listed = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    assert len(listed) >= 2, listed
    return listed


def test_the_logged_losses_are_means_over_the_ranks(toystreets, tmp_path):
    options = {
        'train_cfg.max_iters': 1,
        'train_cfg.val_interval': 1,
        'model.backbone.norm_eval': True,  # else a batch is no sum of images
    }
    log = tmp_path / 'log.txt'
    words = command(toystreets, tmp_path / 'two', '--launcher', 'pytorch', **options)
    launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']
    status, text = run([words[0], *launcher, *words[1:]], log)
    assert status == 0, text[-3000:]
    both = {
        'train_dataloader.batch_size': 4,
        'train_dataloader.sampler.per_domain.source': 2,
        'train_dataloader.sampler.per_domain.target': 2,
    }
    status, text = run(command(toystreets, tmp_path / 'one', **options, **both), log)
    assert status == 0, text[-3000:]
    two, one = (read_curves(tmp_path / name).training[1] for name in ('two', 'one'))
    losses = [name for name in one if 'loss' in name or name == 'target.entropy']
    assert len(losses) > 4
    for name in losses:
        assert two[name] == pytest.approx(one[name], rel=1e-4), name
