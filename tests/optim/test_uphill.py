"""What no fault may do to an optimizer that moves weights to look around."""

import copy
import math
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from uphill_problem import (
    ALL,
    PASSES,
    Make,
    Problem,
    assert_same,
    hessian,
    unmoved,
)

from passband import optim
from passband.errors import SkippedStepWarning
from passband.optim import SAM, USAM
from passband.optim._uphill import UphillOptimizer


def test_every_optimizer_that_looks_uphill_is_put_through_this() -> None:
    exported = {value for value in vars(optim).values() if isinstance(value, type)}
    climbing = {kind for kind in exported if issubclass(kind, UphillOptimizer)}

    missing = climbing - {type(Problem(make).optimizer) for make in PASSES}
    assert not missing, f"add {missing} to PASSES in tests/support/uphill_problem.py"


EVERY_PASS = pytest.mark.parametrize(
    ("make", "faulty"), [(make, i) for make, n in PASSES.items() for i in range(n)]
)


def set_radius(problem: Problem, rho: float) -> None:
    for group in problem.optimizer.param_groups:
        group["rho" if "rho" in group else "ascent_rho"] = rho


@EVERY_PASS
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_a_closure_that_raises_moves_nothing(
    make: Make, faulty: int, error: type[BaseException]
) -> None:
    problem = Problem(make)

    def closure() -> Tensor:
        loss = problem.loss()
        if problem.evaluations == faulty + 1:
            raise error
        return loss

    with unmoved(problem), pytest.raises(error):
        problem.step(closure)


@EVERY_PASS
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_skips_the_step(
    make: Make, faulty: int, value: float
) -> None:
    problem = Problem(make)

    def closure() -> Tensor:
        loss = problem.loss()
        if problem.evaluations == faulty + 1:
            for p in list(problem.model.parameters())[1:2]:
                p.grad = torch.full_like(p, value)
        return loss

    with unmoved(problem), pytest.warns(SkippedStepWarning, match=r"1 skipped so far"):
        loss = problem.step(closure)
    assert loss.isfinite()
    assert problem.optimizer.skipped == 1
    assert problem.evaluations == faulty + 1  # no further look is taken


@EVERY_PASS
def test_a_parameter_may_lose_its_gradient_on_the_way(make: Make, faulty: int) -> None:
    problem = Problem(make)
    lost = list(problem.model.parameters())[1]
    before = lost.detach().clone()

    def closure() -> Tensor:
        loss = problem.loss()
        if problem.evaluations == faulty + 1:
            lost.grad = None
        return loss

    problem.step(closure)

    last = faulty == PASSES[make] - 1
    assert torch.equal(lost.detach(), before) is last


@EVERY_PASS
def test_losing_every_gradient_is_an_error(make: Make, faulty: int) -> None:
    problem = Problem(make)

    def closure() -> Tensor:
        loss = problem.loss()
        if problem.evaluations == faulty + 1:
            problem.optimizer.zero_grad()
        return loss

    with unmoved(problem), pytest.raises(ValueError, match="no parameter of this"):
        problem.step(closure)


@ALL
def test_an_interrupt_at_any_line_leaves_the_weights_before_or_after(make: Make) -> None:
    """KeyboardInterrupt is raised at every line that the engine runs, one line at a time."""
    problem = Problem(make)
    start = problem.snapshot()
    before = nn.utils.parameters_to_vector(problem.model.parameters()).detach().clone()
    problem.step()
    after = nn.utils.parameters_to_vector(problem.model.parameters()).detach().clone()

    line, interrupted = 0, True
    while interrupted:
        problem.model.load_state_dict(start[0])
        problem.optimizer.load_state_dict(copy.deepcopy(start[1]))
        interrupted = interrupt_at(line, problem.step)
        weights = nn.utils.parameters_to_vector(problem.model.parameters()).detach()
        assert torch.equal(weights, before) or torch.equal(weights, after), f"at line {line}"
        line += 1
    assert line > 20


def interrupt_at(number: int, run: Callable[[], object]) -> bool:
    """Run with a KeyboardInterrupt at one line of the engine; say whether it came."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.endswith("_uphill.py"):
            return None
        if event == "line":
            seen += 1
            if seen == number + 1:
                raise KeyboardInterrupt
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(previous)
    return False


@ALL
def test_where_the_gradient_vanishes_nothing_moves(make: Make) -> None:
    x = torch.zeros(3, requires_grad=True)
    optimizer = make([x])

    def closure() -> Tensor:
        loss = x.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)

    assert_close(x.detach(), torch.zeros(3), rtol=0, atol=0)


@ALL
def test_parameters_without_gradients_stay(make: Make) -> None:
    used, unused, frozen = (torch.ones(2, requires_grad=i < 2) for i in range(3))
    optimizer = make([used, unused, frozen, torch.ones(0, requires_grad=True)])

    def closure() -> Tensor:
        loss = used.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)

    assert not torch.equal(used.detach(), torch.ones(2))
    assert_close(unused.detach(), torch.ones(2), rtol=0, atol=0)
    assert_close(frozen, torch.ones(2), rtol=0, atol=0)


def test_hessian_usam_refuses_sparse_gradients() -> None:
    table = nn.Embedding(4, 2, sparse=True)
    optimizer = hessian(table.parameters())

    def closure() -> Tensor:
        loss = table(torch.tensor([1, 2])).square().sum()
        loss.backward()
        return loss

    before = table.weight.detach().clone()
    with pytest.raises(TypeError, match="sparse"):
        optimizer.step(closure)
    assert_close(table.weight.detach(), before, rtol=0, atol=0)


@ALL
def test_an_autocast_around_the_step_sees_every_point(make: Make) -> None:
    """Autocast keeps its copies of the weights until the outermost block ends."""
    inside, outside = Problem(make), Problem(make)
    for problem in (inside, outside):
        problem.model.float()
        problem.x, problem.y = problem.x.float(), problem.y.float()
        set_radius(problem, 2.0)
        problem.optimizer.load_state_dict(problem.optimizer.state_dict())  # in single precision
    autocast = torch.autocast("cpu", dtype=torch.bfloat16)

    with autocast:
        inside.step()
        seen = inside.model(inside.x[0])

    def closure() -> Tensor:
        with autocast:
            return outside.loss()

    outside.step(closure)
    assert_same(inside.snapshot(), outside.snapshot())
    with autocast:
        assert torch.equal(outside.model(outside.x[0]), seen)


@ALL
def test_a_parameter_that_was_frozen_on_the_way_stays(make: Make) -> None:
    problem = Problem(make)
    frozen = next(problem.model.parameters())
    frozen.requires_grad_(False)  # with a gradient left from the step before
    before = frozen.detach().clone()

    problem.step()

    assert torch.equal(frozen, before)


def test_without_any_radius_one_gradient_is_enough() -> None:
    for make in PASSES:
        problem = Problem(make)
        set_radius(problem, 0.0)
        problem.step()
        assert problem.evaluations == 1, make


def test_a_group_without_radius_does_not_climb() -> None:
    a, b = torch.ones(2, dtype=torch.float64).unbind()
    params = [a.clone().requires_grad_(), b.clone().requires_grad_()]
    groups = [{"params": params[:1], "rho": 0.0}, {"params": params[1:], "lr": 0.5}]
    optimizer = USAM(groups, 0.1, 1.0)

    def closure() -> Tensor:
        loss = params[0].square() + params[1].square()
        loss.backward()
        return loss

    optimizer.step(closure)

    assert [p.item() for p in params] == pytest.approx([1 - 0.1 * 2, 1 - 0.5 * 6], rel=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("size", [1e-40, 1e-25, 1e-4, 1.0, 1e25, 1e37])
def test_the_ascent_of_sam_has_its_length_at_every_scale(dtype: torch.dtype, size: float) -> None:
    slope = torch.tensor([3.0, 4.0], dtype=dtype) * torch.tensor(size, dtype=dtype)
    x = torch.zeros(2, dtype=dtype, requires_grad=True)
    places: list[Tensor] = []

    def closure() -> Tensor:
        places.append(x.detach().clone())
        x.grad = slope.clone()
        return x.sum()

    optimizer = SAM([x], 1e-30, 0.5)
    if slope.isfinite().all():
        optimizer.step(closure)
        vanished = slope.double().norm() < torch.finfo(dtype).tiny
        expected = torch.tensor([0.0, 0.0] if vanished else [0.3, 0.4], dtype=dtype)
        assert_close(places[1], expected, rtol=0.01 if dtype == torch.float16 else 1e-5, atol=0)
    else:
        with pytest.warns(SkippedStepWarning):
            optimizer.step(closure)
