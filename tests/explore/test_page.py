"""The explorer's figures, its command, and the page itself, run and driven."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passband.cli import main
from passband.cli.explore import call
from passband.explore import figures
from passband.explore.choices import Knobs, chosen
from passband.filters import SGD

FILTERS, _ = chosen(["SGD", "USAM"], Knobs(lr=0.1, momentum=0.5, rho=0.2))


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


def test_bars_are_the_passband_and_curves_the_radius() -> None:
    pytest.importorskip("plotly")
    drawn = traces(figures.radius(FILTERS, marks={"run": [3.0, -1.0, 1e9]}))

    for name, filter in FILTERS.items():
        lam = np.asarray(drawn[name]["x"])
        assert np.asarray(drawn[name]["y"]) == pytest.approx(np.minimum(filter.radius(lam), 10))
        bar = drawn[f"{name} admits"]["x"]
        assert any(abs(end - filter.edge) < 1e-9 for end in bar)
    assert list(drawn["run"]["x"]) == [3.0, -1.0, 1e9]  # the axis reaches what was measured


def test_every_figure_draws_every_filter() -> None:
    pytest.importorskip("plotly")
    curvatures = np.array([3.0, 1.0])
    assert set(traces(figures.convergence(FILTERS, curvatures, steps=9))) == set(FILTERS)
    assert len(traces(figures.transient(FILTERS, share=0.5, steps=9))) == 2
    assert len(traces(figures.trade(FILTERS))) == 2
    cost = traces(figures.convergence(FILTERS, curvatures, steps=9))["USAM"]["x"]
    assert list(cost)[-1] == 18  # two gradients a step


def test_the_span_holds_unbounded_and_empty_passbands() -> None:
    low, high = figures.span([SGD(lr=1e-12)], {})
    assert low < 0 < high
    assert figures.span([], {}) == (-0.6, 0.2)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = call(tmp_path, port=2718, headless=True)
    assert words[1:4] == ["-m", "marimo", "run"]
    assert words[-2:] == ["--run", str(tmp_path)]
    with pytest.raises(ValueError, match="port"):
        call(None, port=0, headless=True)
    pytest.importorskip("marimo")
    assert main(["explore", str(tmp_path / "missing.json")]) == 2
    assert "missing.json" in capsys.readouterr().err


def test_the_page_runs() -> None:
    pytest.importorskip("marimo")
    from passband.explore._app import app

    _, found = app.run()
    assert set(found["filters"]) == {"SGD", "USAM", "Two-step USAM"}
    assert not found["refused"]


def test_a_slider_moves_the_picture_in_a_browser(tmp_path: Path) -> None:
    pytest.importorskip("marimo")
    api = pytest.importorskip("playwright.sync_api")
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("there is no chromium")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "eigenvalues.json"
    file.write_text(json.dumps([350.0, 3.0]))
    words = call(file, port=port, headless=True)
    server = subprocess.Popen(words, env=os.environ, stdout=subprocess.DEVNULL)
    try:
        with api.sync_playwright() as play:
            chrome = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            page = chrome.new_page()
            page.goto(_ready(port))
            page.wait_for_selector(".js-plotly-plot", timeout=60_000)
            plot = page.locator(".js-plotly-plot").first
            assert "eigenvalues" in plot.evaluate("e => e._fullData.map(t => t.name)")
            reach = "e => e._fullLayout.xaxis.range[1]"
            before = plot.evaluate(reach)
            page.locator("[role=slider]").first.focus()
            page.keyboard.press(
                "ArrowLeft"
            )  # a smaller lr has a larger edge, beyond what was measured
            deadline = time.monotonic() + 20
            while plot.evaluate(reach) == before:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert plot.evaluate(reach) > before
            chrome.close()
    finally:
        server.terminate()
        server.wait()


def _ready(port: int) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"http://127.0.0.1:{port}"
        time.sleep(0.1)
    raise AssertionError(f"nothing answers on port {port} ({sys.executable})")
