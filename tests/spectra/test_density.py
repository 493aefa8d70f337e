import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from passband.errors import NonFiniteError
from passband.operators import Identity, MatrixOperator
from passband.spectra import density


def rotated(lam: Tensor) -> MatrixOperator:
    generator = torch.Generator().manual_seed(0)
    n = len(lam)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    return MatrixOperator((Q * lam) @ Q.T, symmetric=True)


SEMICIRCLE = torch.cos(torch.pi * (torch.arange(300).double() + 0.5) / 300)  # arcsine law
OUTLIERS = torch.cat([SEMICIRCLE, torch.tensor([20.0, 30.0]).double()])


def test_every_probe_gives_the_moments_of_its_vector() -> None:
    H = rotated(OUTLIERS)

    found = density(H, probes=3, steps=6)

    # Gauss: six nodes integrate polynomials up to degree 11 in the probe's own measure
    generator = torch.Generator().manual_seed(0)
    for nodes, weights in zip(found.nodes, found.weights, strict=True):
        v = torch.randn(H.size, generator=generator, dtype=torch.float64)
        w, power = v / v.norm(), v / v.norm()
        for degree in range(12):
            assert_close((weights * nodes**degree).sum(), w @ power, rtol=1e-8, atol=1e-12)
            power = H @ power


def test_is_the_density_within_its_errors() -> None:
    found = density(rotated(SEMICIRCLE), probes=30, steps=40, width=0.1, points=101)

    z = (found.x[:, None] - SEMICIRCLE) / 0.1
    exact = torch.exp(-(z**2) / 2).mean(1) / (0.1 * math.sqrt(2 * math.pi))
    # a normal deviate beyond 5 has probability 6e-7; 1e-3 is the error of the quadrature
    assert ((found.values - exact).abs() <= 5 * found.errors + 1e-3 * exact.max()).all()
    assert float(torch.trapezoid(found.values, found.x)) == pytest.approx(1, abs=3e-3)


def test_counts_shares_within_their_errors() -> None:
    found = density(rotated(OUTLIERS), probes=30, steps=40)

    for lower, upper in ((10, 40), (25, 40), (-1, 2), (-math.inf, 0)):
        exact = float(((lower <= OUTLIERS) & (upper >= OUTLIERS)).double().mean())
        share, error = found.share(lower, upper)
        assert abs(share - exact) <= 5 * error + 0.02  # the quadrature resolves 1 / steps


def test_ghosts_do_not_appear() -> None:
    found = density(rotated(OUTLIERS), probes=2, steps=60)

    assert ((found.nodes - 30).abs() < 1e-6).sum() == 2
    assert ((found.nodes - 20).abs() < 1e-6).sum() == 2


def test_a_single_eigenvalue_is_a_peak() -> None:
    found = density(2 * Identity(5, dtype=torch.float64), steps=3)

    assert found.share(1.999, 2.001) == pytest.approx((1.0, 0.0), abs=1e-12)
    assert float(found.x[found.values.argmax()]) == pytest.approx(2.0, rel=1e-5)


def test_smooths_again_without_products() -> None:
    found = density(rotated(SEMICIRCLE))

    values, errors = found.at(found.x)
    coarse, _ = found.at(found.x, width=10 * found.width)

    assert_close((values, errors), (found.values, found.errors))
    assert coarse.max() < values.max()


def test_says_what_it_is() -> None:
    assert "5 probes, 150 products" in repr(density(rotated(SEMICIRCLE)))


@pytest.mark.parametrize(("width", "resolved"), [(0.2, True), (2.0, False)])
def test_what_is_narrower_than_the_resolution_is_not_called_nothing(
    width: float, resolved: bool
) -> None:
    line = repr(density(rotated(SEMICIRCLE), width=width)).splitlines()[1]

    assert (" % below -0.2, the resolution" in line) == resolved
    assert (line == "negative curvature is not resolved at width 2, the resolution") != resolved


def test_refuses_wrong_arguments() -> None:
    H = Identity(3)
    with pytest.raises(ValueError, match="`probes` must be at least 2; got 1"):
        density(H, probes=1)
    with pytest.raises(ValueError, match="`width` must be positive"):
        density(H, width=float("nan"))
    with pytest.raises(ValueError, match="symmetric"):
        density(MatrixOperator(torch.ones(2, 2).triu()))
    with pytest.raises(NonFiniteError, match="not finite"):
        density(torch.nan * H)
