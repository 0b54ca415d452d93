"""From a file to settings: what is said is in force, and what is wrong is said in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config import kinds
from config.kinds import Secret
from config.load import ConfigError, load
from config.settings import BindMode, Binds, Route, Settings, Share

Loader = Callable[..., Settings]

TUI = '[carriers.tui]\nhost = "smsc.example.net"\nsystem_id = "us"\n'

WRONG = [
    # A key that isn't there, with and without a near one.
    ("[htttp]\n", "line 1: htttp: unknown key; did you mean http?"),
    ('[http]\nlistten = "x"\n', "line 2: http.listten: unknown key; did you mean listen?"),
    ("[http]\nq = 1\n", "line 2: http.q: unknown key; there is listen"),
    (
        TUI + 'passwort = "x"\n',
        "line 4: carriers.tui.passwort: unknown key; did you mean password?",
    ),
    (TUI + "timers.enquire_after = 1\n", "did you mean enquire_after_s?"),
    # A key that has to be there.
    (
        '[carriers.tui]\nhost = "h"\n',
        "line 1: carriers.tui.system_id: missing; expected at most 15",
    ),
    ("[[routes]]\n", "line 1: routes[0].carriers: missing; expected a list of at least one table"),
    # Wrong types: nothing is converted on the quiet.
    (TUI + 'port = "2775"\n', 'line 4: carriers.tui.port = "2775": expected a port, 1 to 65535'),
    (TUI + "port = true\n", "carriers.tui.port = true: expected a port"),
    (TUI + "port = 1990-01-01\n", "carriers.tui.port = 1990-01-01: expected a port"),
    (TUI + "tls = 1\n", "carriers.tui.tls = 1: expected true, false or a table"),
    (TUI + "binds = 2\n", "carriers.tui.binds: expected a list of at least one table"),
    (TUI + "binds = []\n", "carriers.tui.binds: expected a list of at least one table"),
    (TUI + "binds = [2]\n", "carriers.tui.binds[0]: expected a table"),
    ("carriers = 1\n", "line 1: carriers: expected a table for each name"),
    ("http = 8080\n", "line 1: http: expected a table"),
    # Ranges and forms.
    (TUI + "window = 0\n", "line 4: carriers.tui.window = 0: expected a whole number, 1 to 1000"),
    (TUI + "window = 1001\n", "carriers.tui.window = 1001: expected a whole number, 1 to 1000"),
    (TUI + "rate = -0.1\n", "carriers.tui.rate = -0.1: expected segments per second"),
    (TUI + "rate = nan\n", "carriers.tui.rate = nan: expected segments per second"),
    (TUI + 'receipt_id = "oct"\n', "expected one of as-is, hex, decimal, either"),
    (TUI + 'binds = [{mode = "both"}]\n', 'binds[0].mode = "both": expected one of transceiver'),
    (TUI + "timers.bind_timeout_s = 0\n", "timers.bind_timeout_s = 0: expected seconds, 0.01"),
    (TUI + 'default_country = "nz"\n', "expected a country of two capitals"),
    ('[http]\nlisten = "8080"\n', 'http.listen = "8080": expected an address and a port'),
    ('[http]\nlisten = "a:65536"\n', "expected an address and a port"),
    ('[node]\nname = "a b"\n', 'node.name = "a b": expected a name of letters'),
    ('[carriers."t u i"]\n', 'line 1: carriers."t u i" = "t u i": expected a name of letters'),
    (
        TUI + '[[routes]]\ncarriers = [{name = "tui"}]\nprefix = "64"\n',
        "expected a plus and digits",
    ),
    # Each for itself right, together not.
    (
        TUI + '[[routes]]\ncarriers = [{name = "tiu"}]\n',
        'line 5: routes[0].carriers[0].name = "tiu": no such carrier; did you mean tui?',
    ),
    (
        TUI + '[[routes]]\ncarriers = [{name = "tui"}, {name = "tui"}]\n',
        'routes[0].carriers[1].name = "tui": is in this route already',
    ),
    (
        TUI + 'binds = [{mode = "receiver"}]\n[[routes]]\ncarriers = [{name = "tui"}]\n',
        'line 6: routes[0].carriers[0].name = "tui": has receivers only',
    ),
    (
        TUI + 2 * '[[routes]]\ncarriers = [{name = "tui"}]\n',
        "line 6: routes[1]: a route of the same prefix, sender and application exists",
    ),
    (
        TUI + TUI.replace("tui", "TUI"),
        "line 4: carriers.TUI: differs from carriers.tui in case only",
    ),
    (
        TUI + 'binds = [\n  {mode = "receiver"},\n  {mode = "receiver"}]\n',
        'line 4: carriers.tui.binds[1].mode = "receiver": is there already; add up the counts',
    ),
    (
        TUI + "[carriers.tui.timers]\nrefused_min_s = 1000\n",
        "line 5: carriers.tui.timers.refused_min_s = 1000.0: is more than refused_max_s",
    ),
    # Not TOML at all.
    ("a = \n", "line 1, column 5: not TOML: invalid value"),
    ("[a\n", "line 1, column 3: not TOML: expected ']'"),
    ("[http]\n[http]\n", "line 2, column 6: not TOML: cannot declare"),
    ("a = [", "end of document: not TOML: invalid value"),
    ("a = " + 5000 * "9", "not TOML: "),
    ("a = " + 100_000 * "[", "not TOML: nested too deeply"),
]


@pytest.mark.parametrize(("text", "why"), WRONG)
def test_what_is_wrong_is_one_line_with_file_line_key_value_and_what_was_expected(
    text: str, why: str, loaded: Loader, tmp_path: Path
) -> None:
    """R-9.2: `siaran check` tells before a start; so does every command."""
    with pytest.raises(ConfigError) as raised:
        loaded(text)
    message = str(raised.value)
    assert why in message
    assert message.startswith(f"{tmp_path / 'siaran.toml'}")
    assert "\n" not in message


def test_without_a_file_everything_has_a_default() -> None:
    """One embedded database, one carrier where `siaran smsc` listens, one route for all."""
    settings = load(None, {"SIARAN_CONFIG": ""})
    assert settings == Settings()
    assert settings.database.url is None
    (carrier,) = settings.carriers
    assert (carrier.name, carrier.host, carrier.port) == ("default", "127.0.0.1", 2775)
    assert carrier.binds == (Binds(mode=BindMode.TRANSCEIVER, count=1),)
    assert settings.routes == (Route(prefix="", carriers=(Share(name="default"),)),)
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8080)


def test_siaran_config_names_the_file_unless_one_is_given(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text('node.name = "one"')
    other.write_text('node.name = "other"')
    assert load(None, {"SIARAN_CONFIG": str(one)}).node.name == "one"
    assert load(other, {"SIARAN_CONFIG": str(one)}).node.name == "other"


def test_a_carrier_gets_the_route_that_nobody_wrote(loaded: Loader) -> None:
    """A carrier with receivers only gets none: nothing can be sent over it (R-5.5)."""
    settings = loaded(TUI + 'binds = [{mode = "receiver", count = 2}, {mode = "transmitter"}]')
    assert settings.carriers[0].binds[0] == Binds(mode=BindMode.RECEIVER, count=2)
    assert settings.routes == (Route(carriers=(Share(name="tui"),)),)
    assert loaded(TUI + 'binds = [{mode = "receiver"}]').routes == ()


def test_ipv6_and_any_port(loaded: Loader) -> None:
    http = loaded('[http]\nlisten = "[::1]:0"').http
    assert (http.host, http.port) == ("::1", 0)


def test_windows_editors_leave_a_mark_and_other_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "siaran.toml"
    path.write_bytes(b'\xef\xbb\xbf[node]\r\nname = "gw1"\r\n[http]\r\nq = 1\r\n')
    with pytest.raises(ConfigError, match=r"line 4: http\.q"):
        load(path, {})


def test_a_secret_is_where_its_key_says(loaded: Loader, tmp_path: Path) -> None:
    """R-8.5: out of the file, which is read by many, into the environment or a file of its own."""
    (tmp_path / "password").write_text("pfile\n")
    ways = [
        (TUI + 'password = "pfile"', {}),
        (TUI + 'password_env = "TUI"', {"TUI": "pfile"}),
        (TUI + 'password_file = "password"', {}),
    ]
    for text, environ in ways:
        assert loaded(text, environ).carriers[0].password == Secret("pfile")


SECRET = "geheimnisvoll"

LEAKS = [
    TUI + f'password = "{SECRET}"\n',
    TUI + f'password_env = "{SECRET}"\n',
    TUI + f'password_file = "{SECRET}"\n',
    TUI + 'password_env = "TUI"\n',
    TUI + f'passwort = "{SECRET}"\n',
    TUI + f'password = ["{SECRET}"]\n',
    TUI + f'password = "x"\npassword_env = "{SECRET}"\n',
    f'[carriers]\ntui = "{SECRET}"\n',
    f'database = "postgresql://u:{SECRET}@h/d"\n',
    f'[database]\nurl = "mysql://u:{SECRET}@h/d"\n',
    f'[database]\nurl = "postgresql://u:{SECRET} @h/d"\n',
    f'[database]\nurl = "postgresql://u:{SECRET}@h/d\n',
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_error_shows_a_secret(text: str, loaded: Loader) -> None:
    """R-8.5, also for who writes it in the wrong place."""
    with pytest.raises(ConfigError) as raised:
        loaded(text, {"TUI": SECRET})
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


def test_no_repr_shows_a_secret(loaded: Loader) -> None:
    """R-8.5: settings may be logged; only `reveal` tells."""
    settings = loaded(
        '[database]\nurl = "postgresql://u:geheim@h/d"\n' + TUI + 'password = "geheim"\n'
    )
    assert "geheim" not in f"{settings!r}{settings}{settings.carriers[0].password}"
    assert settings.carriers[0].password.reveal() == "geheim"
    assert settings.database.url == Secret("postgresql://u:geheim@h/d")


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """Missing, a directory, binary, enormous: one line each that names the file."""
    binary, large = tmp_path / "binary", tmp_path / "large"
    binary.write_bytes(b"a = 1\n\xff\xfe")
    large.write_bytes(bytes(2 << 20))
    faults = {
        tmp_path / "none": "can't be read: No such file or directory",
        tmp_path: "can't be read: Is a directory",
        large: "larger than 1048576 octets; this is not a configuration",
    }
    for path, why in faults.items():
        with pytest.raises(ConfigError) as raised:
            load(path, {})
        assert str(raised.value) == f"{path}: {why}"
    with pytest.raises(ConfigError, match="line 2: not UTF-8"):
        load(binary, {})


MAIL = '[smtp]\nfrom = "a@b.example"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            MAIL + 'username = "u"\n',
            "line 1: smtp: there is no password; give username and password",
        ),
        (MAIL + 'password = "p"\n', "line 1: smtp: there is no username"),
        (MAIL + 'tls = "ssl"\n', 'line 3: smtp.tls = "ssl": expected one of none, starttls, tls'),
        (MAIL + 'ca_file = "/dev/null"\n', 'line 3: smtp.ca_file: has no use with tls = "none"'),
        (MAIL + 'tls = "tls"\nca_file = "/none"\n', "the file can't be read: No such file"),
        ('[smtp]\nfrom = "a@b\\r\\nX: y"\n', "expected an e-mail address, in ASCII"),
        ('[smtp]\nfrom = "ü@b.example"\n', "expected an e-mail address, in ASCII"),
        ('[smtp]\nhost = "mail"\n', "from"),
    ],
)
def test_a_mail_server_that_cannot_be_meant_is_refused(text: str, why: str, loaded: Loader) -> None:
    """R-6.8"""
    with pytest.raises(ConfigError) as raised:
        loaded(text)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("first_gap_s = 60.0\nmost_gap_s = 30.0\n", "is more than most_gap_s, which is 30.0"),
        ("most_gap_s = 0.0\n", "expected seconds, 0.01 to 86400"),
        ("give_up_after_days = 400.0\n", "expected days, 0.01 to 30"),
        ("allow_private = 1\n", "expected true or false"),
    ],
)
def test_gaps_of_callbacks_that_cannot_be_meant_are_refused(
    text: str, why: str, loaded: Loader
) -> None:
    """R-7.4"""
    with pytest.raises(ConfigError) as raised:
        loaded(f"[callbacks]\n{text}")
    assert why in str(raised.value)


def test_a_default_that_is_written_out_asks_for_nothing_new(loaded: Loader) -> None:
    settings = loaded(TUI + 'receipt_id = "as-is"\naccepted_is_final = false\n')
    assert settings == loaded(TUI)


def test_a_route_may_be_without_masks(loaded: Loader) -> None:
    """R-2.6: two of one prefix may be there, one for masks; but none that nothing would take."""
    route = '[[routes]]\nprefix = "+64"\ncarriers = [{name = "tui"}]\n'
    settings = loaded(f"{TUI}{route}{route}masks = false\n")
    assert [one.masks for one in settings.routes] == [True, False]
    with pytest.raises(ConfigError, match="a route of the same prefix"):
        loaded(f"{TUI}{route}masks = false\n{route}masks = false\n")
    with pytest.raises(ConfigError, match=r'"Siaran", which is a mask: nothing would take it'):
        loaded(f'{TUI}{route}sender = "Siaran"\nmasks = false\n')


def test_no_error_speaks_of_requirements() -> None:
    """What is expected is said to who writes siaran.toml, not to who wrote Siaran."""
    said = [str(extra) for kind in vars(kinds).values() for extra in _extras(kind)]
    assert len(said) > 20
    assert not [one for one in said if "R-" in one]


def _extras(kind: Any) -> list[Any]:
    return [getattr(meta, "extra", None) for meta in getattr(kind, "__metadata__", ())]
