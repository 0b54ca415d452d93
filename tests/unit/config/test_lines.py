"""An error names the line on which the key's statement begins."""

import pytest

from config.lines import line_of

TEXT = """\
# a comment
[http]
listen = 1

[carriers.tui]
binds = [
  # the first
  { mode = "a" },

  { mode = "b" },
]
motto = '''
[http]
two = 2
'''
timers.x = 1
[[routes]]
prefix = "+64"

[[routes]]
prefix = "+62"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("http",), 2),
        (("http", "listen"), 3),
        (("carriers", "tui"), 5),
        (("carriers", "tui", "binds"), 6),
        (("carriers", "tui", "binds", 1, "mode"), 6),
        (("carriers", "tui", "motto"), 12),
        (("carriers", "tui", "timers", "x"), 16),
        (("routes", 0, "prefix"), 18),
        (("routes", 1), 20),
        (("routes", 1, "prefix"), 21),
        (("carriers", "tui", "host"), 5),  # what is missing is missing in its table
        (("smtp", "host"), None),
    ],
)
def test_the_line_of_a_key(path: tuple[str | int, ...], line: int | None) -> None:
    assert line_of(TEXT, path) == line
