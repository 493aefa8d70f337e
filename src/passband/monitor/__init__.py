"""How close to the edge training is, live: probes that leave no trace."""

from passband.monitor.callbacks import hugging_face_callback, lightning_callback
from passband.monitor.events import Event, Kind
from passband.monitor.logs import Numbers, Several, mlflow, tensorboard, wandb
from passband.monitor.monitor import Monitor
from passband.monitor.probe import Probe
from passband.monitor.records import RecordFile, newest, read_records

__all__ = [
    "Event",
    "Kind",
    "Monitor",
    "Numbers",
    "Probe",
    "RecordFile",
    "Several",
    "hugging_face_callback",
    "lightning_callback",
    "mlflow",
    "newest",
    "read_records",
    "tensorboard",
    "wandb",
]
