"""What a browser makes of the page: no errors, tables that sort, drawings on any paper."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from passband.report import gather, page
from passband.studies import FiltersAtWork, Plan, Record, Store
from passband.studies.beyond import MeanSquareEdges
from passband.studies.plan import RECORDS
from passband.studies.record import Measurement

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PROBE = """
<script>
window.problems = [];
window.addEventListener("error", (event) => problems.push(event.message));
window.addEventListener("securitypolicyviolation", (event) => problems.push(event.blockedURI));
console.error = (...told) => problems.push(told.join(" "));
</script>
"""
ASK = """
<script>
setTimeout(() => {
  const table = document.querySelector("#mean-square-edges-table table");
  const column = (i) => [...table.tBodies[0].rows].map((row) => row.cells[i].textContent);
  const heading = table.tHead.rows[0].cells[1];
  const before = column(1);
  heading.click();
  const up = column(1);
  heading.click();
  const details = document.querySelector("script.rows").closest("details");
  const rows = JSON.parse(details.querySelector("script.rows").textContent);
  details.open = true;
  setTimeout(() => {
  const unfolded = details.querySelectorAll("tbody tr").length * rows.columns.length;
  const answers = {
    problems, before, up, down: column(1), order: heading.getAttribute("aria-sort"),
    unfolded: unfolded === rows.cells.length && unfolded > 0,
    drawn: document.querySelectorAll(".plot .main-svg").length > 0,
    dark: document.getElementById("theme").click() || document.documentElement.dataset.theme,
  };
  const place = document.createElement("pre");
  place.id = "answers";
  place.textContent = JSON.stringify(answers);
  document.body.append(place);
  }, 500);
}, 1000);
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_the_page_works_in_a_browser(tmp_path: Path) -> None:
    studies = (FiltersAtWork(seeds=1), MeanSquareEdges())
    Plan.of(studies, command="passband run x").save(tmp_path)
    growth = iter([1.5, 0.25, 10.0, 1e-3, float("nan"), 2.0, 0.9, 3.0])
    for study in studies:
        for run in study.runs():
            measured = Measurement(
                metrics={"growth": next(growth), "edge": 1.0} if study is studies[1] else {},
                series={"gradients": (0.0, 1.0), "test_accuracy": (0.1, 0.9)},
            )
            record = Record(
                configuration=run.configuration(), environment={}, measured=measured, seconds=1.0
            )
            Store(tmp_path / RECORDS).save(replace(record))
    text = page(gather(tmp_path), redraw="passband report x")
    text = text.replace("<style>", PROBE + "<style>", 1).replace("</body>", ASK + "</body>", 1)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")

    assert BROWSER is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    seen = subprocess.run(
        [BROWSER, *options, profile, "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout

    found = re.search(r'<pre id="answers">(.*?)</pre>', seen)
    assert found is not None
    answers = found[1]
    up = '["0.001","0.25","0.9","1.5","2","3","10","—"]'
    assert '"problems":[]' in answers
    assert f'"up":{up}' in answers
    assert '"down":["10","3","2","1.5","0.9","0.25","0.001","—"]' in answers
    assert '"order":"descending"' in answers
    assert '"unfolded":true' in answers
    assert '"drawn":true' in answers
    assert re.search('"dark":"(dark|light)"', answers)
