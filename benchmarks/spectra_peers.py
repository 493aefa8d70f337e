"""Hessians in the idiom of each tool, with a count of their products."""

import sys
from typing import Any

from spectra_workloads import Batches, loss
from torch import nn


def whole_passband() -> Any:
    """Return the package with what it imports when it is first used."""
    import passband as pb

    for name in ("Hessian", "Objective", "eigenvalues", "trace", "density"):
        getattr(pb, name)
    return pb


def curvlinops_operator(model: nn.Module, batches: Batches) -> Any:
    from curvlinops import HessianLinearOperator

    flat = [(x, y.flatten()) for x, y in batches]
    return HessianLinearOperator(
        model,
        nn.CrossEntropyLoss(),
        list(model.parameters()),
        flat,
        check_deterministic=False,
        batch_size_fn=len,
    )


def eigenthings_operator(model: nn.Module, batches: Batches) -> Any:
    from hessian_eigenthings import HessianOperator, supervised_loss

    return HessianOperator(model, batches, supervised_loss(loss))


def pyhessian_operator(model: nn.Module, batches: Batches) -> tuple[Any, list[int]]:
    """Return their object and a list whose length is the number of products."""
    module = sys.modules["pyhessian.hessian"]  # in their package the class hides its module

    count: list[int] = []
    single, several = module.hessian_vector_product, module.hessian.dataloader_hv_product

    def counted(*arguments: Any) -> Any:
        count.append(1)
        return single(*arguments)

    def counted_too(*arguments: Any) -> Any:
        count.append(1)
        return several(*arguments)

    module.hessian_vector_product = counted
    module.hessian.dataloader_hv_product = counted_too
    data = {"data": batches[0]} if len(batches) == 1 else {"dataloader": batches}
    return module.hessian(model, loss, **data, cuda=False), count
