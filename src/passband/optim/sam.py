"""SAM: the gradient a fixed length uphill."""

from typing import Any, final

from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import override

from passband.optim._checked import Part, Way
from passband.optim._normalized import normalized
from passband.optim._options import Decay, Group, check_not_negative
from passband.optim._uphill_sgd import UphillSGD


@final
class SAM(UphillSGD):
    r"""SGD with the gradient found a distance ``rho`` uphill, as in the paper.

    .. math::
        q(x) = \nabla f\bigl(x + \rho\, \nabla f(x) / \|\nabla f(x)\|\bigr).

    The norm is that of all parameters of all groups together. Where the gradient vanishes there is
    no ascent. Because of the division it has no linear filter near a minimum: it ends in a cycle
    of size ``lr · λ · rho``, not at a point, unless ``rho`` or ``lr`` goes to zero; `USAM` does
    without the division. Everything else, weight decay and costs included, is as for `USAM`.

    A step costs two gradients (one with ``rho=0``) and one copy of the weights, two if adaptive.

    Args:
        params: Parameters, named parameters or parameter groups, as everywhere in ``torch.optim``.
        lr: Learning rate, positive; schedulers may take it to zero.
        rho: Length of the ascent, not negative, in units of the weights.
        momentum: In [0, 1).
        nesterov: Look ahead along the buffer. Needs momentum.
        weight_decay: Not negative.
        decay: ``"coupled"``, ``"loss"`` or ``"decoupled"``; see `USAM`.
        adaptive: Measure the ascent in units of each weight, ``x + ρ x² g / ‖x g‖`` elementwise
            (ASAM), so that rescaling layers does not change it; the same in all groups.
        foreach: ``False`` loops over tensors; by default as in torch, up to rounding the same.

    Raises:
        ValueError: An option is out of its range.
        TypeError: An option is not a number, or a parameter is not real floating point.

    Example:
        For ``f = x²`` at 1 with ρ = 1 the gradient is taken at 1 + 1 = 2, where it is 4.

        >>> import torch
        >>> x = torch.tensor(1.0, requires_grad=True)
        >>> optimizer = SAM([x], lr=0.1, rho=1.0)
        >>> def closure():
        ...     loss = x**2
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure), x.grad, x.detach()
        (tensor(1.), tensor(4.), tensor(0.6000))

    References:
        Foret et al., *Sharpness-aware minimization*, ICLR 2021, equation (3); Kwon et al., *ASAM*,
        ICML 2021, for ``adaptive``.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> "SAM":
        """Say how other packages' ``SAM(params, SGD, lr=…)`` is written here."""
        if isinstance(given := args[1] if len(args) > 1 else kwargs.get("base_optimizer"), type):
            raise TypeError(
                f"`lr` must be a number; got the class {given.__name__}. Around another optimizer "
                f"write SharpnessAware(torch.optim.{given.__name__}(params, lr=…), rho=…, "
                "normalize=True)."
            )
        return super().__new__(cls)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor,
        rho: float,
        *,
        momentum: float = 0,
        nesterov: bool = False,
        weight_decay: float = 0,
        decay: Decay = "coupled",
        adaptive: bool = False,
        foreach: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "decay": decay,
            "adaptive": adaptive,
            "foreach": foreach,
        }
        super().__init__(params, defaults)

    @override
    def _check(self, group: Group, *, starting: bool) -> None:
        super()._check(group, starting=starting)
        check_not_negative(group, "rho")
        if group["adaptive"] != self.param_groups[0]["adaptive"]:
            raise ValueError("`adaptive` must be the same in all groups: they share one norm.")

    @override
    def _way_up(self, parts: list[Part], unit: float, taken: int) -> Way:
        return normalized(parts, adaptive=self.param_groups[0]["adaptive"])
