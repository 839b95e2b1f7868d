import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from cfcontra_mm.errors import InputError
from cfcontra_mm.translation import VGGDecoder, VGGEncoder

VGG19 = dict(channels=(64, 128, 256, 512), convs=(2, 2, 4))
SMALL = dict(channels=(4, 6, 8), convs=(2, 1))
# Layers of torchvision's VGG-19 that end a stage.
RELU_K_1 = (1, 6, 11, 20)


@pytest.fixture(scope='module')
def vgg19(tmp_path_factory):
    """Torchvision's network and a file of its weights."""
    torchvision = pytest.importorskip('torchvision')
    torch.manual_seed(0)
    network = torchvision.models.vgg19(weights=None)
    network.classifier = nn.Identity()  # 500 MB that no encoder reads
    path = tmp_path_factory.mktemp('vgg') / 'vgg19.pth'
    torch.save(network.state_dict(), path)
    return network, path


def reference_features(features, images):
    """relu1_1 to relu4_1 of torchvision's layers, padded by reflection."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    x, maps = (images - mean) / std, []
    for index, layer in enumerate(features[: RELU_K_1[-1] + 1]):
        if isinstance(layer, nn.Conv2d):
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), 'reflect'), layer.weight, layer.bias)
        elif isinstance(layer, nn.MaxPool2d):
            x = F.max_pool2d(x, 2, ceil_mode=True)
        else:
            x = F.relu(x)
        if index in RELU_K_1:
            maps.append(x.clone())
    return maps


@torch.no_grad()
def test_the_stages_are_relu_k_1_of_torchvisions_vgg19(vgg19):
    network, path = vgg19
    encoder = VGGEncoder(**VGG19, weights=str(path))
    encoder.init_weights()
    images = torch.rand(1, 3, 45, 67)
    found = encoder(images)
    assert [tuple(f.shape[1:]) for f in found] == [
        (64, 45, 67),
        (128, 23, 34),
        (256, 12, 17),
        (512, 6, 9),
    ]
    for ours, theirs in zip(
        found, reference_features(network.features, images), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_decoder_is_the_published_one():
    # Input and output channels of each convolution, 'up' for each doubling.
    published = [
        (512, 256), 'up', *[(256, 256)] * 3, (256, 128), 'up', (128, 128),
        (128, 64), 'up', (64, 64), (64, 3),
    ]  # fmt: skip
    layers = [
        (m.in_channels, m.out_channels) if isinstance(m, nn.Conv2d) else 'up'
        for m in VGGDecoder(**VGG19)
        if not isinstance(m, nn.ReLU)
    ]
    assert layers == published
    assert isinstance(list(VGGDecoder(**VGG19))[-1], nn.Conv2d)


def saved(path, encoder, prefix):
    state = {f'{prefix}{k}': v for k, v in encoder.state_dict().items()}
    state['decode_head.bias'] = torch.zeros(2)
    torch.save(dict(state_dict=state, meta={}), path)
    return str(path)


@pytest.mark.parametrize('prefix', ['backbone.', 'module.backbone.', 'encoder.'])
def test_takes_its_weights_out_of_a_checkpoint(tmp_path, prefix):
    torch.manual_seed(1)
    trained = VGGEncoder(**SMALL)
    encoder = VGGEncoder(**SMALL, weights=saved(tmp_path / 'a.pth', trained, prefix))
    encoder.init_weights()
    for key, value in trained.state_dict().items():
        assert torch.equal(encoder.state_dict()[key], value), key


def test_weights_of_another_encoder_are_refused(tmp_path, vgg19):
    other = VGGEncoder(channels=(4, 6, 9), convs=(2, 1))
    for path in (saved(tmp_path / 'a.pth', other, 'backbone.'), str(vgg19[1])):
        with pytest.raises(InputError, match='does not match an encoder') as caught:
            VGGEncoder(**SMALL, weights=path).init_weights()
        assert path in str(caught.value)


def test_missing_weights_are_named(tmp_path):
    path = tmp_path / 'none.pth'
    with pytest.raises(InputError, match=r'none\.pth.*model\.encoder\.weights'):
        VGGEncoder(**SMALL, weights=str(path)).init_weights()


def test_a_failed_download_says_which_file_to_place_where(monkeypatch):
    torchvision = pytest.importorskip('torchvision')

    def fail(*args, **kwargs):
        raise OSError('no route to host')

    monkeypatch.setattr(torchvision.models._api, 'load_state_dict_from_url', fail)
    with pytest.raises(InputError) as caught:
        VGGEncoder(**VGG19, weights='torchvision').init_weights()
    message = str(caught.value)
    assert 'vgg19-dcbb9e9d.pth' in message
    assert 'checkpoints' in message
    assert '\n' not in message


def test_random_weights_need_no_file():
    encoder = VGGEncoder(**SMALL)
    encoder.init_weights()
    deepest = encoder(torch.rand(1, 3, 16, 16))[-1]
    assert deepest.std() > 0.1
