"""A folder of records that every test of reports begins with."""

from pathlib import Path

import pytest
from report_folder import record

from passband.studies import FiltersAtWork, Plan, SixEdges, Store
from passband.studies.plan import RECORDS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    studies = (SixEdges(), FiltersAtWork(seeds=2))
    Plan.of(studies, command="passband demo --seeds 2").save(tmp_path)
    for study in studies:
        for run in study.runs():
            Store(tmp_path / RECORDS).save(record(run))
    return tmp_path
