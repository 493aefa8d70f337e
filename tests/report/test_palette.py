"""Colors are given once and stay."""

from passband.report.palette import KNOWN, Palette


def test_known_names_have_their_colors_on_light_and_dark() -> None:
    palette = Palette()

    variable = palette.variable("USAM")

    light, dark = dict(palette.css(dark=False)), dict(palette.css(dark=True))
    assert (light[variable], dark[variable]) == KNOWN["USAM"]


def test_new_names_take_different_colors() -> None:
    palette = Palette()

    variables = [palette.variable(f"new {i}") for i in range(6)]

    css = dict(palette.css(dark=False))
    assert len({css[variable] for variable in variables}) == 6
    assert [palette.variable(f"new {i}") for i in range(6)] == variables


def test_there_are_more_names_than_colors() -> None:
    palette = Palette()

    assert len({palette.variable(f"new {i}") for i in range(50)}) == 50
