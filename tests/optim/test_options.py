"""What the optimizers refuse, before anything is lost."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import pytest
import torch
from ours import of_ours
from torch import Tensor

from passband.optim import (
    SAM,
    USAM,
    DerivativeSGD,
    ExtrapolatedSGD,
    HessianUSAM,
    SecantSGD,
    SharpnessAware,
)

Options = dict[str, Any]
Make = Callable[..., Any]

COMPLETE: dict[Any, Options] = {
    USAM: {"lr": 0.1, "rho": 0.1},
    HessianUSAM: {"lr": 0.1, "rho": 0.1},
    SAM: {"lr": 0.1, "rho": 0.1},
    DerivativeSGD: {"lr": 0.1, "strength": 0.1},
    ExtrapolatedSGD: {"lr": 0.1, "momentum": 0.5, "extrapolation": 1.0},
    SecantSGD: {"lr": 0.1, "strength": 0.1},
}
ALL = pytest.mark.parametrize("make", list(COMPLETE))


def test_every_optimizer_is_refused_here() -> None:
    missing = of_ours() - {*COMPLETE, SharpnessAware}  # which has no options of its own
    assert not missing, f"add {missing} to COMPLETE in tests/optim/test_options.py"


LOOKING = pytest.mark.parametrize("make", [USAM, HessianUSAM, SAM])
NAN, INF = float("nan"), float("inf")


def param() -> Tensor:
    return torch.ones(2, requires_grad=True)


def closure_of(p: Tensor) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        loss = p.square().sum()
        loss.backward()
        return loss

    return closure


@ALL
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("lr", 0.0, "`lr` must be positive; got 0"),
        ("lr", -0.1, "`lr` must be positive; got -0.1"),
        ("lr", NAN, "`lr` must be finite; got nan"),
        ("lr", INF, "`lr` must be finite; got inf"),
        ("momentum", -0.1, r"`momentum` must lie in \[0, 1\); got -0.1"),
        ("momentum", 1.0, r"`momentum` must lie in \[0, 1\); got 1.0"),
        ("momentum", NAN, "`momentum` must be finite"),
        ("weight_decay", -1.0, "`weight_decay` must not be negative; got -1.0"),
        ("weight_decay", NAN, "`weight_decay` must be finite"),
    ],
)
def test_common_options(make: Make, option: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make([param()], **{**COMPLETE[make], option: value})


@LOOKING
@pytest.mark.parametrize("rho", [NAN, INF])
def test_rho_is_finite(make: Make, rho: float) -> None:
    with pytest.raises(ValueError, match="`rho` must be finite"):
        make([param()], 0.1, rho)


def test_only_a_length_cannot_be_negative() -> None:
    base = torch.optim.SGD([param()], lr=0.1)

    USAM([param()], 0.1, -0.1)
    HessianUSAM([param()], 0.1, -0.1)
    SharpnessAware(base, rho=-0.1)
    for make in (
        lambda: SAM([param()], 0.1, -0.1),
        lambda: SharpnessAware(base, rho=-0.1, normalize=True),
    ):
        with pytest.raises(ValueError, match=r"rho` must not be negative; got -0\.1"):
            make()


@LOOKING
def test_nesterov_needs_momentum(make: Make) -> None:
    with pytest.raises(ValueError, match="`nesterov` needs a positive `momentum`"):
        make([param()], 0.1, 0.1, nesterov=True)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True])
def test_steps_are_a_whole_number(steps: Any) -> None:
    with pytest.raises(ValueError, match="`steps` must be a whole number, 1 or more; got"):
        USAM([{"params": [param()], "steps": steps}], 0.1, 0.1)


def test_groups_climb_together() -> None:
    with pytest.raises(ValueError, match=r"`steps` must be the same in all groups.* got 2 and 1"):
        USAM([{"params": [param()], "steps": 2}, {"params": [param()]}], 0.1, 0.1)


@LOOKING
def test_decay_is_one_of_three(make: Make) -> None:
    with pytest.raises(ValueError, match="'coupled', 'loss' or 'decoupled'; got 'l2'"):
        make([{"params": [param()], "decay": "l2"}], 0.1, 0.1)


@pytest.mark.parametrize("make", [DerivativeSGD, SecantSGD])
@pytest.mark.parametrize("strength", [-1.0, NAN, INF])
def test_strength_is_not_negative(make: Make, strength: float) -> None:
    with pytest.raises(ValueError, match="`strength` must"):
        make([param()], 0.1, strength)


@pytest.mark.parametrize("value", ["0.1", None, True, 1j, torch.ones(2)], ids=str)
def test_options_are_numbers(value: Any) -> None:
    with pytest.raises(TypeError, match="`lr` must be a real number; got"):
        USAM([{"params": [param()], "lr": value}], 0.1, 0.1)


def test_a_learning_rate_may_be_a_tensor() -> None:
    p = param()

    USAM([p], torch.tensor(0.25), 0.0).step(closure_of(p))

    assert p.tolist() == [0.5, 0.5]


@ALL
@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64], ids=str)
def test_parameters_are_real_floating_point(make: Make, dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match="must be real floating-point tensors; got one in torch"):
        make([torch.ones(2, dtype=dtype)], **COMPLETE[make])


@ALL
def test_no_parameters_are_torchs_error(make: Make) -> None:
    with pytest.raises(ValueError, match="empty parameter list"):
        make([], **COMPLETE[make])


@ALL
@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate")
def test_a_parameter_appears_once(make: Make) -> None:
    p = param()

    with pytest.raises(ValueError, match="may appear once"):
        make([p, p], **COMPLETE[make])


@ALL
def test_a_refused_group_is_not_added(make: Make) -> None:
    p = param()
    optimizer = make([p], **COMPLETE[make])

    with pytest.raises(ValueError, match="`lr` must be positive"):
        optimizer.add_param_group({"params": [param()], "lr": -1.0})

    assert len(optimizer.param_groups) == 1
    optimizer.step(closure_of(p))


@ALL
@pytest.mark.parametrize("lr", [-0.1, NAN])
def test_a_scheduler_cannot_smuggle_in_a_senseless_rate(make: Make, lr: float) -> None:
    p = param()
    optimizer = make([p], **COMPLETE[make])
    optimizer.param_groups[0]["lr"] = lr

    with pytest.raises(ValueError, match="`lr` must"):
        optimizer.step(closure_of(p))
    assert p.tolist() == [1.0, 1.0]


@ALL
def test_a_scheduler_may_start_from_zero(make: Make) -> None:
    p = param()
    optimizer = make([p], **COMPLETE[make])
    if make in {DerivativeSGD, SecantSGD}:
        optimizer.param_groups[0]["strength"] = 0.0
    optimizer.param_groups[0]["lr"] = 0.0

    optimizer.step(closure_of(p))

    assert p.tolist() == [1.0, 1.0]


@ALL
def test_nothing_to_do_is_an_error(make: Make) -> None:
    optimizer = make([param()], **COMPLETE[make])

    with pytest.raises(ValueError, match=r"no parameter of this .* has a gradient"):
        optimizer.step(lambda: torch.ones(()))


def test_a_class_instead_of_an_optimizer_is_refused() -> None:
    base: Any = torch.optim.Adam
    with pytest.raises(TypeError, match=r"instance: SharpnessAware\(torch.optim.Adam\(params"):
        unwrap(SharpnessAware.__init__)(object.__new__(SharpnessAware), base, rho=0.1)


@pytest.mark.parametrize("base", [torch.nn.Linear(2, 2), [param()]], ids=["model", "parameters"])
def test_what_is_no_optimizer_is_refused(base: Any) -> None:
    with pytest.raises(TypeError, match=r"needs an optimizer; got a (Linear|list)\. Build one"):
        unwrap(SharpnessAware.__init__)(object.__new__(SharpnessAware), base, rho=0.1)


@ALL
def test_a_model_instead_of_its_parameters_is_refused(make: Any) -> None:
    model: Any = torch.nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"takes parameters, not a model; write `model\.param"):
        unwrap(make.__init__)(object.__new__(make), model, **COMPLETE[make])


@ALL
def test_what_is_no_checkpoint_is_refused(make: Make) -> None:
    optimizer = make([param()], **COMPLETE[make])

    with pytest.raises(ValueError, match=r"no `state_dict` of an optimizer: it has 2 entries"):
        optimizer.load_state_dict(torch.nn.Linear(2, 2).state_dict())


@ALL
def test_a_loss_instead_of_a_closure_is_refused(make: Any) -> None:
    p = param()
    optimizer = make([p], **COMPLETE[make])

    with pytest.raises(TypeError, match=r"takes a closure, a function .* got a Tensor"):
        unwrap(make.step)(optimizer, p.square().sum())

    assert p.tolist() == [1.0, 1.0]


@LOOKING
def test_coming_back_without_having_gone_is_an_error(make: Make) -> None:
    p = param()
    optimizer = make([p], **COMPLETE[make])
    closure_of(p)()

    with pytest.raises(ValueError, match="`second_step` comes back from a `first_step`; there was"):
        optimizer.second_step()

    assert p.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: SAM([param()], torch.optim.Adam, rho=0.05, lr=0.1),  # pyright: ignore[reportCallIssue]
        lambda: SAM([param()], torch.optim.Adam, rho=0.05),  # pyright: ignore[reportArgumentType]
        lambda: SharpnessAware([param()], torch.optim.Adam, rho=0.05, lr=0.1),  # pyright: ignore[reportCallIssue]
        lambda: SAM([param()], base_optimizer=torch.optim.Adam, rho=0.05),  # pyright: ignore[reportCallIssue]
    ],
)
def test_the_call_of_other_packages_is_told_how_it_is_written_here(call: Any) -> None:
    with pytest.raises(TypeError, match=r"SharpnessAware\(torch\.optim\.Adam\(params, lr=…\), rho"):
        call()
