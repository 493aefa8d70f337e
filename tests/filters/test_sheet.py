"""What a filter says of itself: data sheet, table, picture, and what has none."""

from inspect import unwrap

import pytest

from passband.filters import (
    SGD,
    USAM,
    WITHOUT_FILTER,
    DerivativeAction,
    Filter,
    HessianUSAM,
    Lookahead,
    Schedule,
    pareto,
    plot,
)


def test_the_data_sheet_has_the_numbers() -> None:
    sheet = str(USAM(lr=0.04, rho=0.03, momentum=0.8))

    lines = sheet.splitlines()
    assert lines[0] == "USAM(lr=0.04, rho=0.03, momentum=0.8)"
    assert lines[1].split("  ")[1:3] == ["admits", ""]
    noise = USAM(lr=0.04, rho=0.03, momentum=0.8).noise([4.05852, 20.2926])
    variances = f"{noise[0]:.3g}, {noise[1]:.3g}"
    for number in ("[-73.9185, -33.3333] ∪ [0, 40.5852]", "40.5852", "0.93", variances):
        assert number in sheet
    assert "beyond, modes alternate" in sheet
    assert "1 vector kept" in sheet


def test_repr_is_the_constructor_call() -> None:
    assert repr(SGD(lr=0.1)).startswith("SGD(lr=0.1, momentum=0.0")


def test_every_filter_has_a_sheet(filter: Filter) -> None:
    sheet, page = str(filter), filter._repr_html_()

    assert sheet.startswith(type(filter).__name__)
    assert "admits" in sheet
    assert "gradients a step" in sheet
    assert page.count("<tr>") == len(sheet.splitlines()) - 1


def test_composites_are_written_without_their_defaults() -> None:
    filter = Schedule([SGD(lr=0.1), Lookahead(SGD(lr=0.1, momentum=0.9), k=5, alpha=0.5)])

    title = str(Schedule([SGD(lr=0.1), SGD(lr=0.2)])).splitlines()[0]

    assert title == "Schedule(filters=(SGD(lr=0.1), SGD(lr=0.2)))"
    assert filter.period == 6


def test_a_filter_that_admits_nothing_has_a_sheet_too() -> None:
    sheet = str(SGD(lr=0.1, momentum=1.2))

    assert "∅" in sheet
    assert "nan" not in sheet


def test_filters_side_by_side() -> None:
    table = pareto(
        [
            SGD(lr=1.0),
            USAM(lr=1.0, rho=6.0),
            HessianUSAM(lr=1.0, rho=12.0),
            DerivativeAction(lr=1.0, strength=1.5),
        ]
    )

    gd, usam, hessian, derivative = table.offers
    assert (gd.dominated, usam.dominated, hessian.dominated, derivative.dominated) == (
        False,
        True,
        True,
        False,
    )
    assert (usam.leak, derivative.leak) == (True, False)
    starred = [line.startswith("*") for line in str(table).splitlines()[1:]]
    assert starred == [not offer.dominated for offer in table.offers]
    assert str(table).splitlines()[2].split()[-1] == "0.705"
    assert table._repr_html_().count("<tr>") == 5


def test_a_comparison_needs_filters() -> None:
    with pytest.raises(ValueError, match="at least one filter"):
        pareto([])
    with pytest.raises(ValueError, match="at least one filter"):
        plot([])


def test_pictures_of_one_and_of_several() -> None:
    one = USAM(lr=1.0, rho=2.0, steps=2).plot()
    several = plot([SGD(lr=1.0), USAM(lr=1.0, rho=6.0)], span=(-1.0, 3.0))

    one.canvas.draw()
    several.canvas.draw()
    assert [axes.get_ylabel() for axes in one.axes][:2] == ["admitted", "radius"]
    assert several.axes[1].get_xlim() == (-1.0, 3.0)
    assert len(several.legends[0].get_texts()) == 2


def test_a_picture_needs_an_ascending_span() -> None:
    with pytest.raises(ValueError, match="two finite curvatures, ascending"):
        plot(SGD(lr=1.0), span=(1.0, 0.0))


def test_what_has_no_filter_has_a_reason() -> None:
    assert {"normalized SAM", "Lion", "signSGD", "Muon", "line search"} <= set(WITHOUT_FILTER)
    assert all(reason[-1] == "." for reason in WITHOUT_FILTER.values())


def test_a_single_filter_is_no_comparison() -> None:
    with pytest.raises(TypeError, match=r"write `pareto\(\[first, second\]\)`|parameter 'filters'"):
        unwrap(pareto)(SGD(lr=0.1))
