import copy

import pytest
import torch
from helpers import random_batch, sample
from mmseg.models import SegDataPreProcessor

from cfcontra_mm.models import DomainPreprocessor

MEAN, STD = [104.0, 117.0, 123.0], [1.0, 2.0, 4.0]


@pytest.fixture(params=[True, False])
def bgr_to_rgb(request):
    return request.param


@pytest.fixture
def kwargs(bgr_to_rgb):
    return dict(
        mean=MEAN, std=STD, bgr_to_rgb=bgr_to_rgb, size_divisor=1, seg_pad_val=255
    )


@pytest.mark.parametrize('order', [[0, 1, 2, 3], [1, 3, 0, 2], [3, 2, 1, 0]])
def test_each_domain_gets_its_own_images_normalised(kwargs, bgr_to_rgb, order):
    data = random_batch(0)
    data = {key: [values[i] for i in order] for key, values in data.items()}
    batch = DomainPreprocessor(**kwargs)(copy.deepcopy(data), training=True)
    assert list(batch) == ['source', 'target']
    for domain, part in batch.items():
        own = [
            (image, s)
            for image, s in zip(data['inputs'], data['data_samples'], strict=True)
            if s.domain == domain
        ]
        assert len(part['inputs']) == len(part['data_samples']) == len(own) == 2
        for found, found_sample, (image, expected_sample) in zip(
            part['inputs'], part['data_samples'], own, strict=True
        ):
            assert found_sample.domain == domain
            for channel in range(3):
                raw = image[2 - channel if bgr_to_rgb else channel].double()
                expected = (raw - MEAN[channel]) / STD[channel]
                torch.testing.assert_close(found[channel].double(), expected)
            assert ('gt_sem_seg' in found_sample) == (domain == 'source')
            if domain == 'source':
                labels = expected_sample.gt_sem_seg.data
                assert torch.equal(found_sample.gt_sem_seg.data, labels)


def test_a_domain_that_is_absent_is_left_out(kwargs):
    data = {key: values[::2] for key, values in random_batch(0).items()}
    assert list(DomainPreprocessor(**kwargs)(data, training=True)) == ['source']


def test_a_sample_without_domain_is_refused(kwargs):
    data = random_batch(0)
    del data['data_samples'][1].domain
    with pytest.raises(KeyError, match='domain'):
        DomainPreprocessor(**kwargs)(data, training=True)


def test_outside_training_it_is_mmsegs(kwargs):
    data = dict(inputs=random_batch(0)['inputs'], data_samples=[sample('target')] * 4)
    for sample_ in data['data_samples']:
        sample_.set_metainfo(dict(domain=None))
    found = DomainPreprocessor(**kwargs)(copy.deepcopy(data), training=False)
    expected = SegDataPreProcessor(**kwargs)(copy.deepcopy(data), training=False)
    assert torch.equal(found['inputs'], expected['inputs'])
    assert found.keys() == expected.keys()


def test_in_training_a_single_domain_is_as_mmseg_prepares_it(kwargs):
    data = {key: values[::2] for key, values in random_batch(0).items()}
    found = DomainPreprocessor(**kwargs)(copy.deepcopy(data), training=True)
    expected = SegDataPreProcessor(**kwargs)(copy.deepcopy(data), training=True)
    assert torch.equal(found['source']['inputs'], expected['inputs'])
