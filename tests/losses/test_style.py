import pytest
import torch

from cfcontra_mm.losses.style import channel_statistics, content_loss, style_loss


def features(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype) * 3 + 1


def slow_statistics(channel):
    """Mean and unbiased deviation of one channel, in plain Python."""
    values = channel.flatten().tolist()
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return mean, (variance + 1e-5) ** 0.5


def test_statistics_are_the_mean_and_the_unbiased_deviation():
    x = features(2, 3, 4, 5)
    mean, std = channel_statistics(x)
    assert mean.shape == std.shape == (2, 3, 1, 1)
    for n in range(2):
        for c in range(3):
            expected = slow_statistics(x[n, c])
            found = mean[n, c].item(), std[n, c].item()
            assert found == pytest.approx(expected, rel=1e-12)


def test_a_single_pixel_has_no_variance():
    mean, std = channel_statistics(torch.full((1, 2, 1, 1), 7.0))
    assert mean.flatten().tolist() == [7.0, 7.0]
    torch.testing.assert_close(std, torch.full_like(std, 1e-5**0.5))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    # 300^2 is past the largest float16.
    x = (300 * features(1, 2, 8, 8)).to(dtype)
    mean, std = channel_statistics(x)
    expected = channel_statistics(x.float())
    assert mean.dtype == std.dtype == torch.float32
    torch.testing.assert_close(std, expected.std)
    assert torch.isfinite(std).all()


def test_content_loss_is_the_mean_squared_difference():
    x, y = features(2, 3, 4, 5), features(2, 3, 4, 5, seed=1)
    pairs = zip(x.flatten().tolist(), y.flatten().tolist(), strict=True)
    expected = sum((a - b) ** 2 for a, b in pairs) / x.numel()
    assert content_loss(x, y).item() == pytest.approx(expected, rel=1e-6)


def test_style_loss_is_eq_7_of_every_layer():
    ours = [features(2, 3, 6, 5), features(2, 4, 3, 3, seed=1)]
    theirs = [features(2, 3, 7, 8, seed=2), features(2, 4, 2, 4, seed=3)]
    expected = 0.0
    for x, y in zip(ours, theirs, strict=True):
        batch, channels = x.shape[:2]
        for n in range(batch):
            for c in range(channels):
                (m, s), (wanted_m, wanted_s) = map(slow_statistics, (x[n, c], y[n, c]))
                term = ((m - wanted_m) ** 2 + (s - wanted_s) ** 2) / 2
                expected += term / (batch * channels)
    assert style_loss(ours, theirs).item() == pytest.approx(expected, rel=1e-6)


def test_layers_must_match():
    with pytest.raises(ValueError, match='zip'):
        style_loss([features(1, 1, 2, 2)], [])


def test_gradients_reach_the_translation_and_are_right():
    x = features(1, 2, 3, 3).requires_grad_()
    y = features(1, 2, 4, 4, seed=1)
    assert torch.autograd.gradcheck(lambda t: style_loss([t], [y]), x)
