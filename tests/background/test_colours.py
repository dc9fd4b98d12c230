import pytest

from maskstream.background.colours import NAMES, find_colour, parse_colour
from maskstream.errors import InputError


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#00ff00", (0, 255, 0)),
        ("#0F8", (0, 255, 136)),
        ("rgb(1, 2,3)", (1, 2, 3)),
        (" White ", (255, 255, 255)),
        ("navy", (0, 0, 128)),
    ],
)
def test_a_colour_is_read_as_it_is_written_on_the_web(text, colour) -> None:
    assert find_colour(text) == parse_colour(text) == colour


def test_green_is_that_of_green_screens() -> None:
    assert NAMES["green"] == (0, 255, 0)


def test_what_is_no_colour_may_be_a_file() -> None:
    assert find_colour("beach.jpg") is None


@pytest.mark.parametrize("text", ["#00ff0", "#gggggg", "rgb(1, 2)", "rgb(256, 0, 0)", "rgb(-1, 0, 0)", "#"])
def test_a_misspelt_colour_is_refused(text) -> None:
    with pytest.raises(InputError, match="not a colour"):
        find_colour(text)


def test_where_only_a_colour_will_do_the_names_are_told() -> None:
    with pytest.raises(InputError, match=r"mauve: not a colour; .*magenta"):
        parse_colour("mauve")
