"""What the two optimizers share that brake by a change of the gradient."""

from typing import ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import override

from passband.optim._options import Group
from passband.optim._remembering import RememberingSGD, slope_for_edge


class BrakingSGD(RememberingSGD):
    """SGD that steps against a difference of its gradients, times ``strength``."""

    _option: ClassVar[str] = "strength"

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor,
        strength: float | None = None,
        *,
        edge: float | None = None,
        momentum: float = 0,
        weight_decay: float = 0,
        foreach: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "strength": strength,
            "edge": edge,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "foreach": foreach,
        }
        super().__init__(params, defaults)

    @override
    def _for_edge(self, group: Group) -> float:
        return slope_for_edge(group)
