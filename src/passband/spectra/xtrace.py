"""XTrace: every random vector both finds the space and samples what is left."""

from collections.abc import Callable

import torch
from torch import Tensor

from passband.operators import LinearOperator
from passband.spectra.sampling import signs

_CERTAIN = 1 - 1e-6  # leverage of a vector without which the space would be smaller


def xtrace(
    H: LinearOperator,
    multiply: Callable[[Tensor], Tensor],
    *,
    products: int,
    generator: torch.Generator,
) -> list[float]:
    """Return one estimate of the trace for every random vector left out.

    With ``Q`` an orthonormal basis of ``AΩ`` and ``sᵢ`` the direction in it that only ``Aωᵢ``
    needs, leaving out ``ωᵢ`` leaves the space ``Q (I − sᵢsᵢᵀ)``, and ``ωᵢ`` samples the rest:
    ``tr(QᵀAQ) − sᵢᵀQᵀAQsᵢ + xᵢᵀAxᵢ``, ``xᵢ = (I − QQᵀ)ωᵢ + Qsᵢsᵢᵀ Qᵀωᵢ``.

    References:
        Epperly, Tropp and Webber, *XTrace*, SIAM J. Matrix Anal. Appl. 45, 2024, eq. 2.2.
    """
    m = products // 2
    omega = torch.stack([signs(H, generator) for _ in range(m)])
    Y = torch.stack([multiply(w) for w in omega])
    basis, directions = _basis(Y)
    if not len(basis):  # A is zero as far as can be seen
        return [0.0] * m
    W = torch.stack([multiply(q) for q in basis])
    inside = (basis @ W.T).double()
    c = (basis @ omega.T).double()  # Qᵀωᵢ as columns
    outside = omega - c.T.to(omega) @ basis
    image = Y - c.T.to(Y) @ W  # A (I − QQᵀ)ωᵢ
    own = (c * directions).sum(0)  # sᵢᵀQᵀωᵢ
    among = (directions * (inside @ directions)).sum(0)  # sᵢᵀQᵀAQsᵢ
    across = ((outside @ W.T).double().T * directions).sum(0)
    rest = (outside * image).sum(1).double() + 2 * own * across + own**2 * among
    return (inside.trace() - among + rest).tolist()


def _basis(Y: Tensor) -> tuple[Tensor, Tensor]:
    """Return an orthonormal basis of the rows, and ``sᵢ`` as columns, 0 where none is needed."""
    Q, R = torch.linalg.qr(Y.T)
    U, sigma, Vh = torch.linalg.svd(R.double())
    eps = torch.finfo(Y.dtype).eps
    rank = int((sigma > 10 * len(Y) * eps * sigma[0]).sum()) if float(sigma[0]) > 0 else 0
    basis = (Q @ U[:, :rank].to(Q)).T.contiguous()
    duals = Vh[:rank] / sigma[:rank, None]  # pinv(R)ᵀ in this basis
    leverage = (Vh[:rank] ** 2).sum(0)
    lengths = duals.norm(dim=0)
    needed = (leverage > _CERTAIN) & (lengths > 0)
    return basis, torch.where(needed, duals / lengths.clamp_min(1e-300), torch.zeros(()).double())
