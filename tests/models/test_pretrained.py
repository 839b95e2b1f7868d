"""Backbones that start from a file of weights."""

import copy
import hashlib
import logging

import pytest
import torch
from helpers import CONFIGS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models.backbones import timm_backbone
from mmseg.registry import MODELS

from cfcontra_mm.errors import InputError
from cfcontra_mm.models import weights as module
from cfcontra_mm.models.weights import read_weights

NETWORKS = ('segformer_b0', 'efficientnet_lite0', 'dinov2_s')


@pytest.fixture(autouse=True)
def _quiet():
    init_default_scope('mmseg')
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


def build(network, weights=None):
    cfg = Config.fromfile(CONFIGS / '_base_/networks' / f'{network}.py').model.backbone
    return MODELS.build(dict(cfg, weights=weights and str(weights)))


def weights_of(backbone):
    """Its state by the names of a published file."""
    return copy.deepcopy(getattr(backbone, 'network', backbone).state_dict())


@pytest.mark.parametrize('network', NETWORKS)
class TestWeights:
    def test_are_loaded_in_full(self, network, tmp_path):
        torch.manual_seed(1)
        published = build(network)
        published.init_weights()
        state = weights_of(published)
        # What a published file has beside.
        torch.save({'model.unused': torch.ones(2), **state}, tmp_path / 'start.pth')
        torch.manual_seed(2)
        backbone = build(network, tmp_path / 'start.pth')
        backbone.init_weights()
        found = weights_of(backbone)
        assert found.keys() == state.keys()
        for key, value in state.items():
            assert torch.equal(found[key], value), key

    def test_that_lack_a_tensor_are_refused(self, network, tmp_path):
        state = weights_of(build(network))
        key = [key for key in state if key.endswith('.weight')][-1]
        state[key] = torch.zeros(3, 3, 3)
        torch.save(state, tmp_path / 'start.pth')
        with pytest.raises(InputError, match=r'start\.pth: 1 of .* shape') as caught:
            build(network, tmp_path / 'start.pth').init_weights()
        assert key in str(caught.value)
        assert '\n' not in str(caught.value)

    def test_that_are_not_there_are_named(self, network, tmp_path):
        with pytest.raises(
            InputError, match=r'none\.pth: no such file .*; set model\.ba'
        ):
            build(network, tmp_path / 'none.pth').init_weights()


@pytest.mark.parametrize('network', NETWORKS[1:])
def test_random_weights_of_timm_are_drawn_where_those_of_mmseg_are(network):
    states = []
    for drawn_before in (1, 2, 3):
        torch.manual_seed(drawn_before)
        backbone = build(network)
        torch.manual_seed(0 if drawn_before < 3 else 1)
        backbone.init_weights()
        states.append(weights_of(backbone))
    first, second, other = states
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize('network', [*NETWORKS, 'segformer_b5', 'dinov2_b'])
def test_recipes_name_an_address_to_download_from(network, tmp_path, monkeypatch):
    """So that none starts from random weights unless it is told to."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))

    def offline(url, *args, **kwargs):
        raise OSError('no route to host')

    monkeypatch.setattr(module.torch.hub, 'download_url_to_file', offline)
    cfg = Config.fromfile(CONFIGS / '_base_/networks' / f'{network}.py').model.backbone
    with pytest.raises(InputError) as caught:
        read_weights(cfg.weights, 'model.backbone.weights')
    said = str(caught.value)
    assert cfg.weights.startswith('https://')
    assert cfg.weights in said
    assert f'{tmp_path}/hub/checkpoints' in said
    assert 'set model.backbone.weights to your copy' in said
    assert '\n' not in said


class TestDownload:
    @pytest.fixture
    def address(self, tmp_path, monkeypatch):
        """Of a file whose name holds the beginning of its hash."""
        monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
        path = tmp_path / 'start.pth'
        torch.save({'a': torch.ones(2)}, path)
        mark = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        return path.rename(tmp_path / f'start-{mark}.pth').as_uri()

    def test_is_kept(self, address, tmp_path):
        assert read_weights(address, 'x')['a'].tolist() == [1, 1]
        (kept,) = (tmp_path / 'cache/hub/checkpoints').iterdir()
        torch.save({'a': torch.zeros(2)}, kept)
        assert read_weights(address, 'x')['a'].tolist() == [0, 0]

    def test_of_another_file_is_refused(self, address, tmp_path):
        torch.save({'a': torch.zeros(2)}, next(tmp_path.glob('start-*.pth')))
        with pytest.raises(InputError, match=r'cannot download .*hash'):
            read_weights(address, 'x')
        assert not list((tmp_path / 'cache/hub/checkpoints').iterdir())

    def test_never_runs_code(self, tmp_path, monkeypatch):
        monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
        path = tmp_path / 'start.pth'
        torch.save({'a': print}, path)
        with pytest.raises(InputError, match='holds more than weights'):
            read_weights(path.as_uri(), 'x')


def test_a_missing_timm_names_the_extra(monkeypatch):
    monkeypatch.setattr(timm_backbone, 'timm', None)
    with pytest.raises(InputError, match=r"pip install 'cfcontra-mm\[timm\]'"):
        build('dinov2_s')


def test_dinov2_reads_its_published_names(tmp_path):
    """Those of Meta's files, among them a token that only its own training needs."""
    backbone = build('dinov2_s')
    state = weights_of(backbone)
    assert {'cls_token', 'pos_embed', 'patch_embed.proj.weight'} < state.keys()
    assert {'blocks.11.attn.qkv.weight', 'blocks.0.ls1.gamma'} < state.keys()
    assert state['pos_embed'].shape == (1, 1 + 37 * 37, 384)


@pytest.mark.parametrize('size', [(28, 42), (33, 57)])
def test_dinov2_takes_images_of_any_size(size):
    (features,) = build('dinov2_s').eval()(torch.rand(1, 3, *size))
    assert features.shape == (1, 384, -(-size[0] // 14), -(-size[1] // 14))
