"""Convolutions against torch's own, and against differences of their derivatives."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradgradcheck
from torch.nn import functional
from torch.testing import assert_close

from passband.operators import Hessian
from passband.problem import Objective
from passband.problem.convolution import convolution

USUAL = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"padding": "same", "dilation": 2},
    {"padding": "valid"},
    {"groups": 2},
    {"stride": 2, "dilation": 2, "padding": 2, "groups": 2},
]


def tensors(d: int, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(d)
    shapes = (2, 4, *[5, 6, 5][:d]), (6, 4 // groups, *[3, 2, 1][:d]), (6,)
    draw = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    x, w, b = (t.requires_grad_() for t in draw)
    return x, w, b


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_is_torchs_own_to_the_third_derivative(d: int, options: dict[str, Any]) -> None:
    inputs = tensors(d, options.get("groups", 1))
    generator = torch.Generator().manual_seed(9)
    ways = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in inputs]

    def derivatives(function: Any) -> list[Tensor]:
        out = function(*inputs, **options)
        found, value = [out], out.pow(3).sum()
        for _ in range(3):
            slopes = torch.autograd.grad(value, inputs, create_graph=True)
            found += slopes
            value = torch.stack(
                [(s * way).sum() for s, way in zip(slopes, ways, strict=True)]
            ).sum()
        return found

    for ours, theirs in zip(derivatives(convolution), derivatives(USUAL[d]), strict=True):
        assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("wanted", [(True, True, True), (False, True, False), (True, False, True)])
def test_second_derivatives_are_those_of_differences(wanted: tuple[bool, ...]) -> None:
    inputs = [t.requires_grad_(on) for t, on in zip(tensors(2, 1), wanted, strict=True)]

    assert gradgradcheck(lambda *a: convolution(*a, stride=2, padding=1), inputs)


def test_tuples_and_single_pictures() -> None:
    x, w, b = tensors(2, 1)

    wide = convolution(x, w, b, stride=(2, 1), padding=(1, 0), dilation=(1, 2))
    single = convolution(x[0], w, b)
    bare = convolution(x, w)

    assert torch.equal(wide, torch.conv2d(x, w, b, (2, 1), (1, 0), (1, 2)))
    assert torch.equal(single, torch.conv2d(x[0], w, b))
    assert torch.equal(bare, torch.conv2d(x, w))


def test_transforms_and_mixed_precision_keep_torchs_own() -> None:
    x, w, b = (t.detach().float() for t in tensors(2, 1))

    mapped = torch.func.vmap(lambda x: convolution(x[None], w, b)[0])(x)
    with torch.autocast("cpu", torch.bfloat16):
        low = convolution(x, w, b)

    assert_close(mapped, torch.conv2d(x, w, b))
    assert low.dtype == torch.bfloat16


def test_a_wrong_shape_gets_torchs_own_words() -> None:
    x, w, b = tensors(2, 1)

    with pytest.raises(RuntimeError, match="channels"):
        convolution(x[:, :3], w, b)


def test_the_hessian_of_a_convolutional_network() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2)).double()
    x, y = torch.randn(5, 1, 3, 3).double(), torch.randint(0, 2, (5,))
    objective = Objective(model, functional.cross_entropy, (x, y))

    def loss(theta: Tensor) -> Tensor:
        w, b, v, c = theta.split([12, 3, 24, 2])
        inner = torch.conv2d(x, w.view(3, 1, 2, 2), b).tanh().flatten(1)
        return functional.cross_entropy(functional.linear(inner, v.view(2, 12), c), y)

    dense = torch.autograd.functional.hessian(loss, objective.theta)
    assert_close(Hessian(objective).dense(), dense, rtol=1e-12, atol=1e-13)
