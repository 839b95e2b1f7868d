import pytest
import torch

from cfcontra_mm.evaluation import StyleDistance, frechet_distance


def vectors(number, dimensions, seed=0, scale=1.0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(dimensions, dimensions, generator=generator).double()
    x = torch.randn(number, dimensions, generator=generator).double()
    return scale * x @ mix + shift


def slow_distance(x, y):
    """The formula as printed, with a matrix root by eigenvalues."""
    product = x.T.cov() @ y.T.cov()
    root = torch.linalg.eigvals(product).sqrt().sum().real
    means = (x.mean(0) - y.mean(0)).square().sum()
    return (means + x.T.cov().trace() + y.T.cov().trace() - 2 * root).item()


def test_is_the_printed_formula():
    x, y = vectors(60, 4), vectors(50, 4, seed=1, scale=2, shift=1)
    assert frechet_distance(x, y) == pytest.approx(slow_distance(x, y), rel=1e-9)
    assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-9)


def test_of_one_dimension_is_known():
    # Deviations 1 and 3, means 0 and 2: 2^2 + (3 - 1)^2.
    x = torch.tensor([[-1.0], [0.0], [1.0]])
    assert frechet_distance(x, 3 * x + 2) == pytest.approx(8)


def test_of_a_set_to_itself_is_zero_even_with_few_vectors():
    x = vectors(5, 40)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_the_metric_compares_contents_and_translations_with_the_styles():
    content, style = vectors(30, 3, shift=5), vectors(30, 3, seed=1)
    metric = StyleDistance()
    for index in range(30):
        sample = dict(
            content_statistics=content[index],
            style_statistics=style[index],
            translated_statistics=style[index],
        )
        metric.process({}, [sample])
    found = metric.evaluate(30)
    assert found['style_distance/content'] == pytest.approx(
        frechet_distance(content, style)
    )
    assert found['style_distance/content'] > 1
    assert found['style_distance/translated'] == pytest.approx(0, abs=1e-9)
