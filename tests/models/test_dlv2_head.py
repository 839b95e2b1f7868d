import pytest
import torch
from mmseg.models import ResNet
from torch.nn.functional import conv2d

from cfcontra_mm.errors import InputError
from cfcontra_mm.models import DeepLabResNet, DLV2Head

LOSS = dict(type='CrossEntropyLoss', avg_non_ignore=True)
ADVENT = dict(
    depth=101,
    strides=(1, 2, 1, 1),
    dilations=(1, 1, 2, 4),
    out_indices=(2, 3),
    style='caffe',
    norm_cfg=dict(type='BN', requires_grad=False),
    norm_eval=False,
)
SMALL = dict(ADVENT, depth=18, style='pytorch', base_channels=8)


@pytest.fixture
def head():
    torch.manual_seed(0)
    head = DLV2Head(12, 5, in_index=1, loss_decode=LOSS, align_corners=True)
    head.init_weights()
    return head


def test_head_is_the_sum_of_four_dilated_convolutions(head):
    inputs = [torch.zeros(2, 3, 4, 4), torch.randn(2, 12, 31, 43)]
    expected = 0
    for conv, dilation in zip(head.convs, (6, 12, 18, 24), strict=True):
        assert conv.weight.shape == (5, 12, 3, 3)
        with torch.no_grad():
            conv.bias.normal_()
        expected = expected + conv2d(
            inputs[1], conv.weight, conv.bias, padding=dilation, dilation=dilation
        )
    torch.testing.assert_close(head(inputs), expected)
    assert head(inputs).shape == (2, 5, 31, 43)


def test_head_reaches_as_far_as_its_dilations(head):
    with torch.no_grad():
        for conv in head.convs:
            conv.weight.fill_(1)
    image = torch.zeros(1, 12, 61, 61)
    image[..., 30, 30] = 1
    reached = head([None, image])[0, 0].nonzero()
    assert set((reached[:, 0] - 30).tolist()) == {-24, -18, -12, -6, 0, 6, 12, 18, 24}
    assert len(reached) == 4 * 8 + 1


def test_head_starts_small_and_holds_nothing_else(head):
    assert {name.split('.')[0] for name, _ in head.named_parameters()} == {'convs'}
    weights = torch.cat([conv.weight.flatten() for conv in head.convs])
    assert weights.std().item() == pytest.approx(0.01, rel=0.1)
    assert not any(conv.bias.any() for conv in head.convs)
    assert not any(isinstance(m, torch.nn.Dropout2d) for m in head.modules())


@pytest.fixture(scope='module')
def network():
    """ADVENT's network, without memory for its weights."""
    with torch.device('meta'):
        kwargs = dict(num_classes=19, loss_decode=LOSS, align_corners=True)
        return (
            DeepLabResNet(**ADVENT),
            DLV2Head(2048, in_index=1, **kwargs),
            DLV2Head(1024, in_index=0, **kwargs),
        )


def test_numbers_of_parameters_are_advents(network):
    counts = [sum(p.numel() for p in part.parameters()) for part in network]
    assert counts == [42_500_160, 1_400_908, 700_492]


@pytest.mark.parametrize(
    ('image', 'features'),
    [((1280, 640), (161, 81)), ((1280, 720), (161, 91)), ((1024, 512), (129, 65))],
)
def test_feature_sizes(network, image, features):
    backbone, head, aux_head = network
    (width, height), (w, h) = image, features
    maps = backbone(torch.zeros(1, 3, height, width, device='meta'))
    assert [tuple(m.shape) for m in maps] == [(1, 1024, h, w), (1, 2048, h, w)]
    assert head(maps).shape == aux_head(maps).shape == (1, 19, h, w)


def test_pooling_in_ceil_mode_is_all_that_differs_from_mmseg():
    torch.manual_seed(0)
    ours, theirs = DeepLabResNet(**SMALL), ResNet(**SMALL)
    ours.eval(), theirs.eval()
    theirs.load_state_dict(ours.state_dict())
    # Of an even size the ceiling pools one column more, of an odd one none.
    even, odd = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 65, 65)
    assert ours(even)[1].shape[2:] == (9, 9)
    assert theirs(even)[1].shape[2:] == (8, 8)
    assert all(torch.equal(a, b) for a, b in zip(ours(odd), theirs(odd), strict=True))
    pooled = ours.maxpool(torch.arange(16.0).view(1, 1, 4, 4))
    assert pooled.tolist() == [[[[5, 7, 7], [13, 15, 15], [13, 15, 15]]]]


def test_affine_parameters_are_frozen_and_statistics_are_the_batchs():
    torch.manual_seed(0)
    backbone = DeepLabResNet(**SMALL)
    backbone.train()
    affine = [
        (module.weight, module.bias, module)
        for module in backbone.modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    ]
    assert len(affine) == 21
    for weight, bias, module in affine:
        assert not weight.requires_grad
        assert not bias.requires_grad
        assert module.training
    assert backbone.conv1.weight.requires_grad
    seen = {}
    backbone.bn1.register_forward_hook(lambda m, i, o: seen.update(out=o.clone()))
    backbone(5 + 3 * torch.randn(2, 3, 32, 32))
    torch.testing.assert_close(
        seen['out'].mean((0, 2, 3)), torch.zeros(64), atol=1e-4, rtol=0
    )
    assert backbone.bn1.running_mean.any()


def resnet18_file(path, change=lambda state: state):
    torchvision = pytest.importorskip('torchvision')
    torch.manual_seed(1)
    state = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(change(state), path)
    return state


def resnet18(weights):
    torch.manual_seed(0)
    return DeepLabResNet(**dict(SMALL, base_channels=64), weights=str(weights))


@pytest.mark.parametrize(
    'change',
    [
        lambda state: state,
        lambda state: {f'Scale.{k}': v for k, v in state.items()},
        lambda state: {'state_dict': {f'module.{k}': v for k, v in state.items()}},
        lambda state: {
            'state_dict': {f'backbone.{k}': v for k, v in state.items()},
            'meta': {},
        },
        lambda state: {
            k: v for k, v in state.items() if not k.endswith('num_batches_tracked')
        },
    ],
    ids=['torchvision', 'Scale', 'module', 'backbone', 'old'],
)
def test_weights_of_a_file_are_loaded_in_full(tmp_path, change):
    path = tmp_path / 'resnet18.pth'
    state = resnet18_file(path, change)
    backbone = resnet18(path)
    backbone.init_weights()
    own = backbone.state_dict()
    assert set(own) == {k for k in state if not k.startswith('fc.')}
    for key, value in own.items():
        if not key.endswith('num_batches_tracked'):
            assert torch.equal(value, state[key]), key


@pytest.mark.parametrize('lacks', ['conv1.weight', 'layer3.1.bn2.running_var'])
def test_a_file_that_lacks_a_tensor_is_refused(tmp_path, lacks):
    path = tmp_path / 'resnet18.pth'
    resnet18_file(path, lambda s: {k: v for k, v in s.items() if k != lacks})
    with pytest.raises(InputError, match=r'resnet18\.pth') as caught:
        resnet18(path).init_weights()
    assert lacks in str(caught.value)
    assert '\n' not in str(caught.value)


def test_weights_of_another_shape_are_refused(tmp_path):
    path = tmp_path / 'resnet18.pth'
    resnet18_file(path)
    with pytest.raises(InputError, match='another shape'):
        DeepLabResNet(**SMALL, weights=str(path)).init_weights()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r'none\.pth.*no such file'):
        resnet18(tmp_path / 'none.pth').init_weights()


@pytest.mark.parametrize('content', [b'', b'no weights at all'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / 'broken.pth'
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'broken\.pth'):
        resnet18(path).init_weights()


def test_random_weights_need_no_file():
    backbone = DeepLabResNet(**SMALL)
    backbone.init_weights()
    assert backbone.weights is None


def test_classifiers_side_by_side_are_summed_and_start_as_one_alone():
    heads = []
    for classifiers in (1, 2):
        torch.manual_seed(0)
        head = DLV2Head(12, 5, in_index=0, loss_decode=LOSS, classifiers=classifiers)
        torch.manual_seed(1)
        head.init_weights()
        heads.append((head, torch.rand(1)))
    (one, after_one), (two, after_two) = heads
    assert torch.equal(after_one, after_two)
    inputs = [torch.randn(1, 12, 30, 30)]
    first, second = two.classifier_logits(inputs)
    assert torch.equal(first, one(inputs))
    torch.testing.assert_close(two(inputs), first + second)
    assert not torch.allclose(first, second)
    assert [conv.dilation[0] for conv in two.pyramid(1)] == [6, 12, 18, 24]
    weights = torch.cat([conv.weight.flatten() for conv in two.pyramid(1)])
    assert weights.std().item() == pytest.approx(0.01, rel=0.1)
