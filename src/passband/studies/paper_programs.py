"""The studies of ``passband run filters``, in full and in small, on four data sets."""

from dataclasses import replace

from passband.studies.beyond import beyond_studies
from passband.studies.paper import Data, PaperFilters, PaperTraining
from passband.studies.study import Study, check_seeds

_FULL: dict[Data, PaperTraining] = {
    "subset": PaperTraining(),
    "mnist": PaperTraining(data="mnist", train=55000, validation=5000, test=10000, epochs=50),
    "fashion": PaperTraining(data="fashion", train=55000, validation=5000, test=10000, epochs=50),
    "cifar10": PaperTraining(
        data="cifar10",
        train=45000,
        validation=5000,
        test=10000,
        epochs=50,
        network_kind="wide-resnet",
        rtol=1e-2,
    ),
}
_QUICK: dict[Data, PaperTraining] = {
    "subset": PaperTraining(train=800, validation=100, test=300, side=14, batch=40, epochs=10),
    "mnist": PaperTraining(data="mnist", train=2000, validation=200, test=500, epochs=6, batch=40),
    "fashion": PaperTraining(
        data="fashion", train=2000, validation=200, test=500, epochs=6, batch=40
    ),
    "cifar10": PaperTraining(
        data="cifar10",
        train=400,
        validation=50,
        test=100,
        epochs=3,
        network_kind="wide-resnet",
        depth=10,
        widen=0.25,
        rtol=1e-2,
    ),
}


def paper_studies(
    *, quick: bool = False, seeds: int | None = None, data: Data = "subset"
) -> tuple[Study, ...]:
    """Return the experiments of arXiv 2510.09034 on one data set, and the studies beyond it.

    Args:
        quick: Fewer and smaller images, smaller networks, one radius each.
        seeds: Of the training runs; 3, or 2 if quick.
        data: ``"subset"`` needs no download; ``"cifar10"`` needs a GPU unless quick.

    Raises:
        ValueError: ``seeds`` is not a positive number.
    """
    check_seeds(seeds)
    training = (_QUICK if quick else _FULL)[data]
    if data == "cifar10" and not quick:
        training = replace(training, place=_gpu())
    if not quick:
        return PaperFilters(training=training, seeds=seeds or 3), *beyond_studies()
    return (
        PaperFilters(
            training=training,
            hidden=((48, 24),),
            lr=0.05,
            rhos_usam=(0.1,),
            rhos_two_step=(0.1,),
            rhos_hessian=(0.05,),
            seeds=seeds or 2,
        ),
        *beyond_studies(quick=True),
    )


def _gpu() -> str:
    """Return where a residual network is trained; on a CPU it takes weeks."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
