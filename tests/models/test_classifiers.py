"""Two classifiers in one head, on any head of mmseg."""

import copy

import pytest
import torch
from helpers import case_of
from mmseg.registry import MODELS

from cfcontra_mm.models.classifiers import (
    add_classifier,
    classifier_logits,
    classifier_parameters,
)

# A DeepLab takes the second map, a SegFormer all of them.
SHAPES = dict(deeplab=[(32, 4), (64, 4)], segformer=[(8, 8), (16, 4), (40, 2), (64, 1)])


@pytest.fixture(params=['deeplab', 'segformer'])
def heads(request):
    """A head, and the same one with a second classifier, ready to predict."""
    cfg = case_of('source_only', request.param).load().model.decode_head
    heads, after = [], []
    for classifiers in (1, 2):
        torch.manual_seed(0)
        head = MODELS.build(copy.deepcopy(cfg))
        if classifiers == 2:
            add_classifier(head)
            add_classifier(head)  # has two already
        torch.manual_seed(1)
        head.init_weights()
        heads.append(head.eval())
        after.append(torch.rand(1))
    assert torch.equal(*after)
    return heads


@pytest.fixture
def features(heads):
    shapes = SHAPES['deeplab' if hasattr(heads[0], 'dilations') else 'segformer']
    return [torch.randn(2, c, s, s) for c, s in shapes]


def test_the_first_is_the_head_as_it_was_and_both_add_up(heads, features):
    one, two = heads
    first, second = classifier_logits(two, features)
    assert torch.equal(first, one(features))
    torch.testing.assert_close(two(features), first + second)
    assert not torch.allclose(first, second)


def test_their_parameters_are_apart(heads):
    first, second = classifier_parameters(heads[1])
    assert [p.shape for p in first] == [p.shape for p in second]
    assert not {id(p) for p in first} & {id(p) for p in second}
    own = {id(p) for p in heads[1].parameters()}
    assert {id(p) for p in (*first, *second)} <= own
