"""The names that version 0.1 exported."""

import importlib

import pytest

from cfcontra_mm import translation


@pytest.mark.parametrize('module', ['models.translation', 'translation'])
@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('picture_statistics', 'image_statistics'),
        ('translate_picture', 'translate_image'),
    ],
)
@pytest.mark.filterwarnings('ignore:cfcontra_mm.models.translation is now')
def test_old_names_are_found_with_a_warning(module, old, new):
    package = importlib.import_module(f'cfcontra_mm.{module}')
    with pytest.warns(FutureWarning, match=f'{old} is now cfcontra_mm.*{new}'):
        found = getattr(package, old)
    assert found is getattr(translation, new)


def test_unknown_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'translate_film'"):
        _ = translation.translate_film
