import copy

import numpy as np
import pytest
import torch
from helpers import sample
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS
from translators import MODEL, write_checkpoint, write_config

from cfcontra_mm.errors import InputError
from cfcontra_mm.translation import (
    AdaINStyleTransfer,
    StylePreprocessor,
    adaptive_instance_norm,
    image_statistics,
    load_translator,
    translate_image,
)


def features(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * 3 + 1


def slow_norm(content, style):
    """Eqs. 4-5 of one channel in NumPy, with the unbiased variance."""
    content, style = content.numpy(), style.numpy()
    std, wanted = (np.sqrt(x.var(ddof=1) + 1e-5) for x in (content, style))
    return (content - content.mean()) / std * wanted + style.mean()


def test_adaptive_instance_norm_is_eqs_4_and_5():
    content, style = features(2, 3, 4, 5), features(2, 3, 7, 6, seed=1)
    found = adaptive_instance_norm(content, style)
    assert found.shape == content.shape
    assert found.dtype == content.dtype
    for n in range(2):
        for c in range(3):
            expected = slow_norm(content[n, c], style[n, c])
            np.testing.assert_allclose(found[n, c], expected, rtol=1e-12)


def test_content_in_its_own_style_is_unchanged():
    content = features(1, 3, 4, 5)
    torch.testing.assert_close(adaptive_instance_norm(content, content), content)


def test_half_precision_keeps_its_dtype_and_does_not_overflow():
    content, style = (300 * features(1, 2, 8, 8, seed=s) for s in (0, 1))
    found = adaptive_instance_norm(content.half(), style.half())
    assert found.dtype == torch.float16
    expected = adaptive_instance_norm(content, style)
    torch.testing.assert_close(found.double(), expected, rtol=0.01, atol=3)


def translator(**changes):
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(MODEL | changes))
    model.init_weights()
    return model


@pytest.mark.parametrize('size', [(32, 64), (33, 47), (9, 9), (10, 31)])
def test_any_size_comes_back_at_its_own(size):
    content, style = torch.rand(2, 3, *size), torch.rand(2, 3, 24, 17)
    assert translator()(content, style).shape == content.shape


def test_alpha_goes_from_the_content_to_the_style():
    model, style = translator(), torch.rand(1, 3, 24, 24)
    content = torch.rand(1, 3, 16, 16)
    reconstruction = model.decoder(model.encoder(content)[-1])
    torch.testing.assert_close(model(content, style, alpha=0.0), reconstruction)
    wanted = adaptive_instance_norm(
        model.encoder(content)[-1], model.encoder(style)[-1]
    )
    torch.testing.assert_close(model(content, style), model.decoder(wanted))
    middle = (wanted + model.encoder(content)[-1]) / 2
    torch.testing.assert_close(model(content, style, alpha=0.5), model.decoder(middle))


def test_an_image_too_small_is_refused():
    with pytest.raises(InputError, match='8x40'):
        translator()(torch.rand(1, 3, 40, 8), torch.rand(1, 3, 40, 40))


def batch(size=(16, 24)):
    generator = torch.Generator().manual_seed(0)
    domains = ('source', 'target', 'source', 'target')
    images = [
        torch.randint(0, 256, (3, *size), generator=generator).byte() for _ in domains
    ]
    return dict(inputs=images, data_samples=[sample(d, size=size) for d in domains])


def test_each_domain_lends_its_style_to_the_other():
    data = batch()
    found = StylePreprocessor()(copy.deepcopy(data), training=True)
    # BGR in [0, 255] to RGB in [0, 1].
    rgb = [image.flip(0).float() / 255 for image in data['inputs']]
    assert torch.equal(found['content'], torch.stack([rgb[i] for i in (0, 2, 1, 3)]))
    assert torch.equal(found['style'], torch.stack([rgb[i] for i in (1, 3, 0, 2)]))
    found = StylePreprocessor()(copy.deepcopy(data))
    assert torch.equal(found['content'], torch.stack([rgb[i] for i in (0, 2)]))
    assert torch.equal(found['style'], torch.stack([rgb[i] for i in (1, 3)]))


def test_losses_are_eqs_6_and_7():
    model = translator(style_weight=3.0)
    content, style = torch.rand(2, 3, 24, 24), torch.rand(2, 3, 16, 16)
    losses = model(content, style, mode='loss')
    wanted = adaptive_instance_norm(
        model.encoder(content)[-1], model.encoder(style)[-1]
    )
    found = model.encoder(model.decoder(wanted))
    eq_6 = (found[-1] - wanted).square().mean()
    eq_7 = 0.0
    for ours, theirs in zip(found, model.encoder(style), strict=True):
        for moment in (torch.mean, torch.std):
            difference = moment(ours, (2, 3)) - moment(theirs, (2, 3))
            eq_7 = eq_7 + difference.square().mean() / 2
    torch.testing.assert_close(losses['loss_content'], eq_6)
    torch.testing.assert_close(losses['loss_style'], 3 * eq_7, rtol=1e-3, atol=1e-4)


def test_identity_is_the_distance_from_an_image_to_its_own_features_decoded():
    model = translator(identity_weight=4.0)
    content, style = torch.rand(2, 3, 23, 26), torch.rand(2, 3, 16, 16)
    losses = model(content, style, mode='loss')
    same = model.decoder(model.encoder(content)[-1])[:, :, :23, :26]
    expected = 4 * (same - content).square().mean()
    torch.testing.assert_close(losses['loss_identity'], expected)
    assert 'loss_identity' not in translator()(content, style, mode='loss')


def test_training_moves_the_decoder_alone_and_lowers_the_loss():
    model = translator()
    before = copy.deepcopy(model.state_dict())
    optimizer = OptimWrapper(torch.optim.Adam(model.parameters(), lr=1e-3))
    losses = [
        model.train_step(copy.deepcopy(batch()), optimizer)['loss'].item()
        for _ in range(20)
    ]
    assert losses[-1] < 0.9 * losses[0]
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) == key.startswith('encoder.'), key


def test_validation_gives_images_and_statistics():
    model = translator().eval()
    with torch.no_grad():
        samples = model.val_step(batch())
    assert len(samples) == 2
    assert samples[0]['translated'].shape == (3, 16, 24)
    content = StylePreprocessor()(batch())['content'][1:]
    expected = torch.cat(model.statistics(content), 1).flatten()
    torch.testing.assert_close(samples[1]['content_statistics'], expected)


def random_image(height=20, width=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_an_image_is_translated_as_the_tensor_is():
    model = translator().eval()
    style = random_image(12, 14, seed=1)
    found = translate_image(model, random_image(), image_statistics(model, style))
    with torch.no_grad():
        tensors = [
            torch.from_numpy(x).permute(2, 0, 1)[None] / 255
            for x in (random_image(), style)
        ]
        expected = model(*tensors)[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_loads_what_was_trained(tmp_path, toystreets):
    config = write_config(tmp_path / 'adain.py', toystreets)
    checkpoint = write_checkpoint(tmp_path / 'a.pth')
    model = load_translator(config, checkpoint)
    assert isinstance(model, AdaINStyleTransfer)
    assert not model.training
    saved = torch.load(checkpoint)['state_dict']
    assert all(torch.equal(v, saved[k]) for k, v in model.state_dict().items())


def test_another_architecture_is_refused(tmp_path, toystreets):
    config = write_config(tmp_path / 'adain.py', toystreets)
    wider = MODEL | dict(encoder=MODEL['encoder'] | dict(channels=(4, 8, 8, 12)))
    deeper = MODEL | dict(encoder=MODEL['encoder'] | dict(convs=(2, 3, 4)))
    for name, model in dict(wider=wider, deeper=deeper).items():
        path = write_checkpoint(tmp_path / f'{name}.pth', model)
        with pytest.raises(InputError, match=f'{name}.pth: does not match'):
            load_translator(config, path)


def test_a_config_of_something_else_is_refused(tmp_path):
    config = tmp_path / 'other.py'
    config.write_text("model = dict(type='SourceOnly')\n")
    with pytest.raises(InputError, match=r'other\.py: model\.type is not AdaIN'):
        load_translator(config, write_checkpoint(tmp_path / 'a.pth'))
    with pytest.raises(InputError, match=r'none\.py: no such config'):
        load_translator(tmp_path / 'none.py', tmp_path / 'a.pth')
