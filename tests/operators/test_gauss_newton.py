import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn import functional
from torch.testing import assert_close

from passband.operators import GaussNewton, Hessian
from passband.problem import Objective


def case(kind: str) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    x = torch.randn(7, 3, dtype=torch.float64)
    y = torch.randint(0, 3, (7,)) if kind == "classes" else torch.randn(7, 3, dtype=torch.float64)
    return model, x, y


def dense(model: nn.Module, x: Tensor, kind: str) -> Tensor:
    """``Jᵀ B J / N``, with the blocks of the loss's Hessian written out."""
    named = {name: p.detach() for name, p in model.named_parameters()}
    jacobians = jacrev(lambda p: functional_call(model, p, (x,)))(named)
    J = torch.cat([j.reshape(len(x), 3, -1) for j in jacobians.values()], dim=2)
    p = model(x).detach().softmax(1)
    blocks = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    if kind == "numbers":
        blocks = 2 / 3 * torch.eye(3, dtype=torch.float64).expand(len(x), 3, 3)
    return torch.einsum("nai,nab,nbj->ij", J, blocks, J) / len(x)


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_is_the_gauss_newton_matrix_on_uneven_batches(kind: str, memory: int | None) -> None:
    model, x, y = case(kind)
    loss = functional.cross_entropy if kind == "classes" else functional.mse_loss
    batches = [(x[:3], y[:3]), (x[3:], y[3:])]

    G = GaussNewton(Objective(model, loss, batches), memory=memory)

    assert_close(G.dense(), dense(model, x, kind))
    assert (torch.linalg.eigvalsh(G.dense()) > -1e-12).all()


def test_is_the_hessian_of_a_linear_model() -> None:
    _, x, y = case("classes")
    objective = Objective(nn.Linear(3, 3).double(), functional.cross_entropy, (x, y))

    assert_close(GaussNewton(objective).dense(), Hessian(objective).dense())


def test_starts_from_the_gradient() -> None:
    model, x, y = case("classes")
    objective = Objective(model, functional.cross_entropy, [(x[:3], y[:3]), (x[3:], y[3:])])

    assert_close(GaussNewton(objective).start(), objective.gradient())
    assert_close(GaussNewton(objective, memory=0).start(), objective.gradient())


def test_training_on_does_not_move_it() -> None:
    model, x, y = case("numbers")
    G = GaussNewton(Objective(model, functional.mse_loss, (x, y)))
    before = G.dense()

    with torch.no_grad():
        next(model.parameters()).add_(1.0)

    assert_close(G.dense(), before, rtol=0, atol=0)


def test_refuses_losses_without_outputs() -> None:
    model, x, y = case("numbers")
    objective = Objective(
        model, lambda model, batch: functional.mse_loss(model(batch[0]), batch[1]), (x, y)
    )

    with pytest.raises(ValueError, match="does not say what the outputs are"):
        GaussNewton(objective)
