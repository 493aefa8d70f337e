"""Curvature on spheres: against dense projections, a closed form, and training itself."""

import copy

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

import passband as pb
from passband import optim
from passband.errors import NotAFilterError
from passband.verdict.tangent import scale_invariant

MSE = nn.functional.mse_loss


class Quotient(nn.Module):
    """``−xᵀAx / xᵀx``: critical at eigenvectors, with spherical curvatures ``2 (λ − λᵢ)``."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = nn.Parameter(x.clone())

    @override
    def forward(self, batch: Tensor) -> Tensor:
        return -(self.x @ batch[0] @ self.x) / (self.x @ self.x)


def value(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch)


def normalized() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(5, 7, bias=False),
        nn.BatchNorm1d(7, eps=1e-9),
        nn.Tanh(),
        nn.Linear(7, 6),
        nn.LayerNorm(6, eps=1e-9, elementwise_affine=False),
        nn.Tanh(),
        nn.Linear(6, 2),
    ).double()
    bias = model.get_parameter("3.bias")
    nn.init.zeros_(bias)
    bias.requires_grad_(False)
    return model.train(), torch.randn(30, 5).double(), torch.randn(30, 2).double()


def dense_curvature(model: nn.Module, x: Tensor, y: Tensor, names: list[str]) -> Tensor:
    """``P H P`` written out, for weights on their spheres together."""
    objective = pb.Objective(model, MSE, (x, y))
    H = pb.Hessian(objective).dense()
    P = torch.zeros_like(H)
    start = 0
    weights = objective.split(objective.theta)
    for name, w in weights.items():
        flat = w.reshape(-1)
        if name in names:
            part = slice(start, start + len(flat))
            eye = torch.eye(len(flat), dtype=flat.dtype)
            P[part, part] = eye - torch.outer(flat, flat) / flat.dot(flat)
        start += len(flat)
    return P @ H @ P


def test_scale_invariant_weights_are_found_and_no_others() -> None:
    model, x, y = normalized()

    assert scale_invariant(pb.Objective(model, MSE, (x, y))) == ("0.weight", "3.weight")
    model.eval()  # batch norm no longer normalizes by the batch
    assert scale_invariant(pb.Objective(model, MSE, (x, y))) == ("3.weight",)


class Quotients(nn.Module):
    """A quotient beside a smaller one, each of a weight of its own."""

    def __init__(self, x: Tensor, z: Tensor) -> None:
        super().__init__()
        self.first, self.second = Quotient(x), Quotient(z)

    @override
    def forward(self, batch: Tensor) -> Tensor:
        return self.first(batch) + 0.3 * self.second(batch)


def test_a_turn_that_ends_at_nearly_the_same_loss_misses_no_weight() -> None:
    A = torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5]).double())[None]
    x = 2 * torch.tensor([1.0, 0.0, 0.0, 1e-3]).double()
    z = torch.tensor([0.0, 3.0, 0.0, 0.0]).double()

    found = scale_invariant(pb.Objective(Quotients(x, z), value, [A]))

    assert found == ("first.x", "second.x")


def test_curvatures_are_those_of_dense_projections() -> None:
    model, x, y = normalized()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.5, weight_decay=0.1)

    found = pb.spherical(model, MSE, (x, y), optimizer, rtol=1e-8)

    edge = 2 * 1.5 / 0.3 * (1 - 0.03)
    both = torch.linalg.eigvalsh(dense_curvature(model, x, y, ["0.weight", "3.weight"]))[-1]
    assert found.ratio == pytest.approx(float(both) / edge, abs=found.error + 1e-9)
    assert found.others == ("1.weight", "1.bias", "6.weight", "6.bias")
    for sphere in found.spheres:
        h = torch.linalg.eigvalsh(dense_curvature(model, x, y, [sphere.name]))[-1]
        norm = float(model.get_parameter(sphere.name).detach().norm())
        assert sphere.norm == pytest.approx(norm)
        assert sphere.sharpness == pytest.approx(float(h) * norm**2, rel=1e-6)
        assert sphere.effective_lr == pytest.approx(0.3 / 0.97 / norm**2)
        assert sphere.ratio == pytest.approx(float(h) / edge, rel=1e-6)


def test_longer_weights_have_the_same_function_and_so_the_same_sharpness() -> None:
    model, x, y = normalized()
    longer = copy.deepcopy(model)
    with torch.no_grad():
        longer.get_parameter("0.weight").mul_(3)

    found, again = (
        pb.spherical(m, MSE, (x, y), torch.optim.SGD(m.parameters(), lr=0.1), rtol=1e-8)
        for m in (model, longer)
    )

    for one, other in zip(found.spheres, again.spheres, strict=True):
        assert other.sharpness == pytest.approx(one.sharpness, rel=1e-5)
    assert again.spheres[0].effective_lr == pytest.approx(found.spheres[0].effective_lr / 9)
    assert again.spheres[0].ratio == pytest.approx(found.spheres[0].ratio / 9, rel=1e-5)
    sharper = pb.eigenvalues(pb.Hessian(pb.Objective(longer, MSE, (x, y))), k=1).values[0]
    assert float(sharper) != pytest.approx(  # which is why the Hessian alone says little
        float(pb.eigenvalues(pb.Hessian(pb.Objective(model, MSE, (x, y))), k=1).values[0]), rel=0.01
    )


@pytest.mark.parametrize(("factor", "settles"), [(0.98, True), (1.02, False)])
@pytest.mark.parametrize("name", ["sgd", "usam"])
def test_at_a_fixed_norm_training_settles_up_to_ratio_one(
    name: str, factor: float, settles: bool
) -> None:
    # the minimum e₁ of −xᵀAx / xᵀx on the sphere of radius 2: h = 2 (4 − 1) = 6
    A = torch.diag(torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64))[None]
    model = Quotient(torch.tensor([2.0, 1e-6, 1e-6], dtype=torch.float64))
    curvature = 6 / 4  # h / r²
    optimizer: torch.optim.Optimizer = (
        torch.optim.SGD(model.parameters(), lr=2 / curvature * factor)
        if name == "sgd"
        else optim.USAM(
            model.parameters(), lr=factor * 2 / (curvature * (1 + 0.3 * curvature)), rho=0.3
        )
    )

    found = pb.spherical(model, value, [A], optimizer, rtol=1e-8)
    assert found.ratio == pytest.approx(curvature / pb.filter_of(optimizer).edge, rel=1e-4)
    assert (found.ratio < 1) is settles

    for _ in range(300):

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = model(A)
            loss.backward()
            return loss

        optimizer.step(closure)
        with torch.no_grad():
            model.x.mul_(2 / model.x.norm())
    away = float(model.x.detach()[2].abs())
    assert (away < 1e-6) is settles


def test_groups_with_their_own_rates_are_judged_together() -> None:
    model, x, y = normalized()
    parts = [
        {"params": [model.get_parameter("0.weight")], "lr": 0.1, "weight_decay": 0.2},
        {"params": [p for n, p in model.named_parameters() if n != "0.weight"], "lr": 0.4},
    ]
    optimizer = torch.optim.SGD(parts, lr=0.1)

    found = pb.spherical(model, MSE, (x, y), optimizer, each=False, rtol=1e-8)

    PHP = dense_curvature(model, x, y, ["0.weight", "3.weight"])
    rates = torch.full((len(PHP),), 0.4, dtype=torch.float64)
    rates[:35] = 0.1 / (1 - 0.02)
    root = rates.sqrt()
    top = torch.linalg.eigvalsh(root[:, None] * PHP * root)[-1]
    assert found.ratio == pytest.approx(float(top) / 2, rel=1e-6)
    assert [s.effective_lr * s.norm**2 for s in found.spheres] == pytest.approx([0.1 / 0.98, 0.4])
    assert "all spheres together" in str(found)


def test_what_has_no_spheres_is_told() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    x, y = torch.randn(9, 2), torch.randn(9, 1)
    with pytest.raises(ValueError, match="scale-invariant"):
        pb.spherical(model, MSE, (x, y), torch.optim.SGD(model.parameters(), lr=0.1))
    model, x, y = normalized()
    adam = torch.optim.Adam(model.parameters())
    MSE(model(x), y).backward()
    adam.step()
    with pytest.raises(NotAFilterError, match="spheres"):
        pb.spherical(model, MSE, (x, y), adam)
