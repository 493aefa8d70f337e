"""Draw the picture at the top of the README from the records of ``passband demo``.

python docs/six_edges.py runs/demo docs/six-edges.png
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from passband.report.palette import KNOWN
from passband.studies import Store

folder, target = Path(sys.argv[1]), Path(sys.argv[2])
records = [r for r in Store(folder / "records") if r.study == "six-edges"]
order = {name: i for i, name in enumerate(KNOWN)}
records.sort(key=lambda record: order[record.configuration["method"]["name"]])

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.2), width_ratios=[3, 2], layout="constrained"
)
for record in records:
    name, series = record.configuration["method"]["name"], record.measured.series
    color, edge = KNOWN[name][0], record.metric("edge")
    left.plot(series["step"], series["sharpness"], color=color, lw=1.6, label=name)
    left.axhline(edge, color=color, lw=0.9, ls=(0, (4, 3)))
    plateau = [record.metric(key) / edge for key in ("plateau", "plateau_low", "plateau_high")]
    below, above = plateau[0] - plateau[1], plateau[2] - plateau[0]
    row = len(records) - records.index(record)
    right.errorbar(plateau[0], row, xerr=[[below], [above]], fmt="o", color=color, capsize=3)
    right.annotate(f"{name}, edge {edge:.3g}", (0.862, row), va="center", color=color, fontsize=10)

left.set(xlabel="training step", ylabel="sharpness λ₁", ylim=(0, None), xlim=(0, 3000))
left.set_title("Sharpness rises until the optimizer lets no more through", loc="left", fontsize=11)
left.annotate(
    "dashed: edge of each filter, computed beforehand",
    (0.98, 0.03),
    ha="right",
    xycoords="axes fraction",
    fontsize=9,
    color="0.35",
)
right.axvline(1, color="0.3", lw=0.9)
right.axvspan(0.97, 1.03, color="0.93", zorder=0)
right.set(xlabel="measured plateau / predicted edge", xlim=(0.86, 1.06), yticks=[])
right.set_title("Six optimizers, six edges", loc="left", fontsize=11)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
right.spines["left"].set_visible(False)
figure.savefig(target, dpi=130)
