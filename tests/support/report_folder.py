"""A folder of records, made without training."""

from passband.studies import (
    Eigenvalues,
    Measurement,
    Record,
    Run,
)
from passband.studies.filters_at_work import SmallBatchTraining
from passband.studies.six_edges import FullBatchTraining


def measured(run: Run) -> Measurement:
    """Numbers that a run could have measured, without measuring."""
    assert isinstance(run, FullBatchTraining | SmallBatchTraining)
    edge = run.method.filter().edge
    if isinstance(run, FullBatchTraining):
        curve = tuple(min(i / 10, 1.01) * edge for i in range(20))
        return Measurement(
            metrics={
                "edge": edge,
                "plateau": 1.01 * edge,
                "plateau_low": edge,
                "plateau_high": 1.02 * edge,
                "ratio": 1.01,
            },
            series={"step": tuple(40.0 * i for i in range(20)), "sharpness": curve},
        )
    sharpness = 0.1 * edge * (1 + 0.1 * run.seed)
    return Measurement(
        metrics={"edge": edge, "sharpness": sharpness, "ratio": 0.1, "test_accuracy": 0.9},
        spectra={
            "largest": Eigenvalues(
                values=(sharpness, sharpness / 2, sharpness / 3), errors=(1e-3,) * 3, matvecs=9
            )
        },
        series={"gradients": (0.0, 32.0), "test_accuracy": (0.1, 0.9)},
    )


def record(run: Run) -> Record:
    return Record(
        configuration=run.configuration(),
        environment={"torch": "2.13.0", "platform": "a <machine>"},
        measured=measured(run),
        seconds=60.0,
    )
