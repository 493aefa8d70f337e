"""The explorer's page, a marimo app; ``passband explore`` serves it."""

# pyright: basic, reportUnusedExpression=false, reportUnnecessaryTypeIgnoreComment=false

import marimo  # pyright: ignore[reportMissingImports]

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="passband explorer")


@app.cell
def _():
    from pathlib import Path

    import marimo as mo  # pyright: ignore[reportMissingImports]

    from passband.explore import choices, figures
    from passband.filters.sheet import rows

    return Path, choices, figures, mo, rows


@app.cell
def _(Path, choices, mo):
    asked = mo.cli_args().get("run")
    marks, missing = {}, ""
    if asked:
        try:
            marks = choices.measured(Path(str(asked)))
        except (ValueError, OSError) as error:
            missing = str(error)
    return marks, missing


@app.cell
def _(choices, mo):
    names = mo.ui.multiselect(
        choices.NAMES, value=["SGD", "USAM", "Two-step USAM"], label="optimizers"
    )
    lr = mo.ui.slider(-4, 0, 0.05, value=-2, label="log₁₀ lr", show_value=True)
    momentum = mo.ui.slider(0, 0.99, 0.01, value=0.9, label="momentum", show_value=True)
    rho = mo.ui.slider(-3, 1, 0.05, value=-1, label="log₁₀ rho", show_value=True)
    decay = mo.ui.slider(0, 0.1, 0.001, value=0, label="weight decay", show_value=True)
    # shown where they are made: a cell that only uses them would be drawn again at every move
    mo.vstack(
        [
            mo.md("# Which minima does an optimizer let through?"),
            names,
            mo.hstack([lr, momentum, rho, decay], justify="start", wrap=True),
        ]
    )
    return decay, lr, momentum, names, rho


@app.cell
def _(marks, mo):
    kinds = ["power law", "outliers", "flat", *(["measured"] if marks else [])]
    kind = mo.ui.dropdown(kinds, value="power law", label="curvatures")
    top = mo.ui.slider(-1, 4, 0.05, value=1.3, label="log₁₀ largest", show_value=True)
    steps = mo.ui.slider(20, 1000, 10, value=200, label="steps", show_value=True)
    share = mo.ui.slider(0.01, 1.2, 0.01, value=0.5, label="λ / edge", show_value=True)
    mo.hstack([kind, top, steps, share], justify="start", wrap=True)
    return kind, share, steps, top


@app.cell
def _(choices, decay, lr, momentum, names, rho):
    knobs = choices.Knobs(
        lr=10**lr.value, momentum=momentum.value, rho=10**rho.value, weight_decay=decay.value
    )
    filters, refused = choices.chosen(names.value, knobs)
    return filters, knobs, refused


@app.cell
def _(choices, kind, marks, top):
    import numpy as np

    if kind.value == "measured":
        curvatures = np.array(sorted({v for values in marks.values() for v in values}))[::-1]
    else:
        curvatures = choices.spectrum(kind.value, top=10**top.value)
    return (curvatures,)


@app.cell
def _(missing, mo, refused):
    notes = [mo.callout(f"{name}: {why}", kind="warn") for name, why in refused.items()]
    if missing:
        notes.append(mo.callout(missing, kind="danger"))
    mo.vstack(notes) if notes else None


@app.cell
def _(figures, filters, marks, mo):
    picture = (
        mo.vstack(
            [
                mo.md("A radius above one grows; the bars below are what is admitted."),
                figures.radius(filters, marks=marks),
            ]
        )
        if filters
        else mo.md("Choose an optimizer.")
    )
    picture


@app.cell
def _(mo):
    view = mo.ui.radio(
        ["data sheets", "convergence", "transient", "noise against edge"],
        value="data sheets",
        inline=True,
    )
    view
    return (view,)


@app.cell
def _(filters, mo, rows):
    def sheets():
        lines = {}
        for optimizer, filter in filters.items():
            for name, value, meaning in rows(filter):
                line = lines.setdefault(name, dict.fromkeys(["", *filters, "meaning"], ""))
                line |= {"": name, optimizer: value, "meaning": meaning}
        return mo.ui.table(list(lines.values()), selection=None, pagination=False)

    return (sheets,)


@app.cell
def _(curvatures, figures, filters, share, sheets, steps, view):
    views = {
        "data sheets": sheets,
        "convergence": lambda: figures.convergence(filters, curvatures, steps=steps.value),
        "transient": lambda: figures.transient(filters, share=share.value, steps=steps.value),
        "noise against edge": lambda: figures.trade(filters),
    }
    views[view.value]() if filters else None


if __name__ == "__main__":
    app.run()
