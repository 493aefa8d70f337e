"""What every operator satisfies: linear, symmetric if it says so, itself as a matrix."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from passband import operators
from passband.operators import (
    BlockDiagonal,
    GaussNewton,
    Hessian,
    Identity,
    LinearOperator,
    MatrixOperator,
    PreconditionedHessian,
    UpdateJacobian,
)
from passband.problem import Objective

N = 14


def matrix(seed: int) -> Tensor:
    return torch.randn(N, N, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def objective() -> Objective:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Softplus()).double()
    x, y = torch.randn(7, 2, dtype=torch.float64), torch.randn(7, 1, dtype=torch.float64)
    model.register_parameter("unused", nn.Parameter(torch.zeros(1, dtype=torch.float64)))
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    return Objective(model, functional.mse_loss, batches)


def hessian(*, memory: int | None = None) -> LinearOperator:
    return Hessian(objective(), memory=memory)


def gauss_newton(*, memory: int | None = None) -> LinearOperator:
    return GaussNewton(objective(), memory=memory)


def preconditioned() -> LinearOperator:
    problem = objective()
    parameters = list(problem.model.parameters())
    adam = torch.optim.Adam(parameters, lr=1e-2)
    for p, g in zip(parameters, problem.split(problem.gradient()).values(), strict=True):
        p.grad = g.clone()
    adam.step()
    return PreconditionedHessian(problem, adam)


def update() -> LinearOperator:
    x, y = torch.randn(2, N, dtype=torch.float64)[:, : N // 2]

    def step(s: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return s[0] - 0.1 * (s[0] * s[1]).sin(), s[1] + s[0] ** 2

    return UpdateJacobian(step, (x, y))


def general() -> LinearOperator:
    return MatrixOperator(matrix(0))


def symmetric() -> LinearOperator:
    return MatrixOperator(matrix(1) + matrix(1).T)


def identity() -> LinearOperator:
    return Identity(N, dtype=torch.float64)


OPERATORS: list[Callable[[], LinearOperator]] = [
    general,
    symmetric,
    identity,
    hessian,
    lambda: hessian(memory=0),
    gauss_newton,
    lambda: gauss_newton(memory=0),
    preconditioned,
    update,
    lambda: general() + symmetric(),
    lambda: symmetric() - 2 * identity(),
    lambda: -hessian() / 3,
    lambda: hessian().shift(0.5),
    lambda: general() @ symmetric(),
    lambda: general().T,
    lambda: (general() @ symmetric()).T,
    lambda: (2 * general() + identity()).T,
    lambda: MatrixOperator(torch.randn(N + 5, N + 5).double()).block(slice(3, N + 3)),
    lambda: BlockDiagonal([hessian().block(slice(0, 6)), general().block(slice(6, N))]),
]


@pytest.fixture(params=range(len(OPERATORS)))
def operator(request: pytest.FixtureRequest) -> LinearOperator:
    return OPERATORS[request.param]()


def test_every_operator_that_is_exported_is_here() -> None:
    exported = {value for value in vars(operators).values() if isinstance(value, type)}
    kinds = {k for k in exported if issubclass(k, LinearOperator) and k is not LinearOperator}
    missing = kinds - {type(make()) for make in OPERATORS} - {operators.Distributed}
    assert not missing, f"add {missing} to OPERATORS in tests/laws/test_operators.py"


def test_is_linear(operator: LinearOperator) -> None:
    u, v = torch.randn(2, N, dtype=torch.float64)

    assert_close(operator @ (2 * u - v), 2 * (operator @ u) - operator @ v)


def test_is_its_matrix(operator: LinearOperator) -> None:
    V = torch.randn(N, 3, dtype=torch.float64)

    assert_close(operator @ V, operator.dense() @ V)
    assert_close(operator @ V[:, 0], operator.dense() @ V[:, 0])


def test_is_symmetric_if_it_says_so(operator: LinearOperator) -> None:
    dense = operator.dense()

    if operator.symmetric:
        assert_close(dense, dense.T)
        assert operator.T is operator
    else:
        assert_close(operator.T.dense(), dense.T)


def test_counts_its_products(operator: LinearOperator) -> None:
    v, before = torch.ones(N, dtype=torch.float64), operator.matvecs

    _ = operator @ v
    _ = operator @ torch.stack([v, v, v], dim=1)

    assert operator.matvecs - before == 4


def test_leaves_its_vector_alone_and_returns_its_own(operator: LinearOperator) -> None:
    v = torch.randn(N, dtype=torch.float64, requires_grad=True)
    before = v.detach().clone()

    w = operator @ v
    w.zero_()

    assert_close(v.detach(), before, rtol=0, atol=0)
    assert not w.requires_grad


def test_no_columns_give_no_columns(operator: LinearOperator) -> None:
    assert (operator @ torch.zeros(N, 0, dtype=torch.float64)).shape == (N, 0)


@pytest.mark.parametrize(
    ("error", "words", "v"),
    [
        (TypeError, "multiplies tensors; got list", [1.0] * N),
        (ValueError, r"of size 14 acts on vectors of shape \(14,\)", torch.ones(N + 1)),
        (ValueError, "acts on vectors", torch.ones(N, 1, 1)),
        (ValueError, r"torch.float64 on cpu; got a vector in torch.float32", torch.ones(N)),
    ],
)
def test_refuses_what_it_cannot_multiply(
    operator: LinearOperator, error: type[Exception], words: str, v: Tensor
) -> None:
    with pytest.raises(error, match=words):
        _ = operator @ v


def test_says_what_it_is(operator: LinearOperator) -> None:
    assert "of size 14, torch.float64, cpu" in repr(operator)
