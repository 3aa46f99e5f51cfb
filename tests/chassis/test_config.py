"""Settings: what is wrong names its variable and the cure, and a value is never repeated."""

import dataclasses
from pathlib import Path

import pytest

from chassis.config import PREFIX, SUPERVISOR, Settings, SettingsError

SECRET = "hunter2"


def refusal(**variables: str) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.load({PREFIX + name.upper(): value for name, value in variables.items()})
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return str(raised.value)


def test_nothing_needs_to_be_set() -> None:
    assert Settings.load({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", SECRET),
        ("port", "80.5"),
        ("port", "-1"),
        ("port", "65536"),
        ("port", "9" * 5000),
        ("metrics_port", "70000"),
        ("pool_size", "1"),
        ("pool_size", "ten"),
        ("database_timeout", "nan"),
        ("database_timeout", "inf"),
        ("database_timeout", "-inf"),
        ("poll", "nan"),
        ("acquire_timeout", "0"),
        ("heartbeat", "0"),
        ("grace", "1e400"),
        ("request_timeout", "0,5"),
        ("body_limit", "1 MB"),
        ("log_level", "chatty"),
        ("database_url", SECRET),
        ("database_url", f"mysql://u:{SECRET}@h/d"),
        ("amqp_url", f"http://u:{SECRET}@h"),
        ("amqp_url", f"amqp://u:{SECRET}/x@h"),
        ("amqp_url", f"amqp://u:{SECRET}℀@h"),
        ("amqp_url", f"amqp://[{SECRET}"),
        ("amqp_url", "amqp://"),
        ("amqp_url", "amqp:rabbit"),
        ("amqp_admin_url", f"amqp://u:p@h:{SECRET}"),
        ("smtp_url", f"{SECRET}@smtp.example"),
        ("mail_from", SECRET),
        ("mail_from", "a@forum.example, b@forum.example"),
        ("mail_from", "Forum <office@forum.example>"),
        ("backup_for", "age1qq"),
        ("backup_for", "AGE-SECRET-KEY-1"),
        ("backup_for", f"{SECRET}, age1qq"),
        ("public_url", "forum.example"),
        ("public_url", "https://forum.example/conduit"),
        ("proxies", "proxy.example"),
        ("proxies", "10.0.0.0/24, *"),
        ("proxies", "0.0.0.0/0"),
        ("database_prefix", 'x"; DROP TABLE'),
        ("database_prefix", "Conduit"),
    ],
)
def test_a_wrong_value_names_its_variable_and_is_not_repeated(name: str, value: str) -> None:
    told = refusal(**{name: value})
    assert told.startswith(f"{PREFIX}{name.upper()} must ")
    assert SECRET not in told
    assert len(value) < 3 or value == "amqp://" or value not in told


@pytest.mark.parametrize("hosts", ["forum.example:8000", "https://forum.example", "a b", "*.example", "a/b"])
def test_host_names_stand_alone(hosts: str) -> None:
    assert "CONDUIT_HOSTS" in refusal(hosts=hosts)


def test_keys_do_not_lie_beside_the_backups_that_they_belong_to() -> None:
    told = refusal(backup_to="/mnt/backups", backup_keys_to="/mnt/backups/")
    assert told.startswith("CONDUIT_BACKUP_KEYS_TO must be another place than CONDUIT_BACKUP_TO")


def test_two_servers_cannot_share_a_port() -> None:
    assert refusal(port="9108").startswith("CONDUIT_METRICS_PORT must differ")
    assert Settings.load({"CONDUIT_PORT": "0", "CONDUIT_METRICS_PORT": "0"}).port == 0


def test_a_variable_that_is_no_setting_is_refused() -> None:
    assert refusal(prot="8000") == "CONDUIT_PROT is not a setting of Conduit. Remove it or correct its name."


def test_no_setting_moves_the_clock_of_an_installation() -> None:
    """What is let go of each night goes by it; that of an example is moved by a command."""
    assert refusal(clock_offset="86400").startswith("CONDUIT_CLOCK_OFFSET is not a setting of Conduit.")


def test_other_peoples_variables_are_left_alone() -> None:
    assert Settings.load({"PATH": "/bin", "PORT": "x", SUPERVISOR: "7"}) == Settings()


def test_an_empty_variable_was_not_set() -> None:
    empty = {PREFIX + f.name.upper(): " " for f in dataclasses.fields(Settings)}
    assert Settings.load(empty) == Settings()


def test_options_beat_the_environment() -> None:
    loaded = Settings.load({"CONDUIT_PORT": "9000", "CONDUIT_HOST": "::1"}, port=9001, host=None)
    assert (loaded.port, loaded.host) == (9001, "::1")


def other(f: "dataclasses.Field[object]") -> object:
    """Another value than the default."""
    written = {
        "database_url": "postgresql://u:p%40@h1:1,h2:2/conduit_{service}?sslmode=require",
        "amqp_url": "amqps://u:p@rabbit.example:5671/%2f",
        "amqp_admin_url": "amqp://u:p@rabbit.example",
        "smtp_url": "smtps://u:p@smtp.example:465",
        "reply_to": "answers+{token}@forum.example",
        "imap_url": "imaps://u:p@imap.example/Answers",
        "lmtp": "[::1]:2424",
        "name_server": "10.0.0.1:53",
        "mail_from": "letters@forum.example",
        "backup_keys_to": Path("/srv/keys"),
        "backup_for": (
            "age15zgyygdj2sz5krggp4c8f3esdndaf87yztq93nfg08lc4uc8n3pqhuw94e",
            "age1dxkf3z6xt4lk9cw9ycvacnpq7rkg02je8jmt9x6tj4tesct52efqe78qhl",
        ),
        "otlp_url": "https://u:p@collector.example:4318",
        "public_url": "https://forum.example",
        "log_level": "debug",
        "host": "localhost",
        "hosts": ("a.example", "b.example"),
        "retain": ("sign-ins=6", "people = 12"),
        "proxies": ("10.0.0.0/24", "::1"),
    }
    default = f.default
    if f.name in written:
        return written[f.name]
    if default is None or isinstance(default, Path):
        return Path("/srv/two words/x")
    if isinstance(default, int | float):
        return default + 1 / 3 if isinstance(default, float) else default + 1
    return "other"


def test_what_is_written_is_read_back() -> None:
    changed = Settings(**{f.name: other(f) for f in dataclasses.fields(Settings)})  # type: ignore[arg-type]
    assert all(getattr(changed, f.name) != f.default for f in dataclasses.fields(Settings))
    assert Settings.load(changed.environment()) == changed
    assert Settings.load(Settings().environment()) == Settings()


def test_an_option_back_to_the_default_beats_the_parents_variable_in_the_child() -> None:
    parents = {"CONDUIT_PORT": "9000", "CONDUIT_HOSTS": "a.example"}
    settings = Settings.load(parents, port=8000, hosts=())
    assert Settings.load({**parents, **settings.environment()}) == settings


def test_a_setting_may_stand_in_a_file_and_goes_to_the_child_without_it(tmp_path: Path) -> None:
    """As secrets come into containers. What is in a file is never said."""
    url, file = f"smtp://u:{SECRET}@mail.example", tmp_path / "url"
    file.write_text(f"{url}\n")
    given = {"CONDUIT_SMTP_URL_FILE": str(file), "CONDUIT_HOUSE_FILE": "house.toml"}
    settings = Settings.load(given)
    assert (settings.smtp_url, settings.house_file) == (url, Path("house.toml"))
    assert Settings.load({**given, **settings.environment()}) == settings
    file.write_text(f"ftp://u:{SECRET}@mail.example")
    for wrong, says in (
        (given, "CONDUIT_SMTP_URL must start"),
        (given | {"CONDUIT_SMTP_URL": url}, "both given"),
        (given | {"CONDUIT_SMTP_URL_FILE": f"/{SECRET}"}, "SMTP_URL_FILE names a file that cannot be read"),
        (given | {"CONDUIT_SMPT_URL_FILE": "x"}, "CONDUIT_SMPT_URL_FILE is not a setting"),
    ):
        with pytest.raises(SettingsError, match=says) as caught:
            Settings.load(wrong)
        assert SECRET not in str(caught.value)


def test_passwords_stay_out_of_the_representation() -> None:
    urls = {f.name: f"x://u:{SECRET}@h" for f in dataclasses.fields(Settings) if f.name.endswith("_url")}
    assert len(urls) == 7
    shown = repr(Settings(**(urls | {"public_url": ""})))  # type: ignore[arg-type]
    assert SECRET not in shown
    assert "port=8000" in shown


@pytest.mark.parametrize(
    ("host", "public_url", "origin"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8000"),
        ("::1", "", "http://[::1]:8000"),
        ("0.0.0.0", "", "http://127.0.0.1:8000"),
        ("::", "", "http://127.0.0.1:8000"),
        ("127.0.0.1", "https://forum.example/", "https://forum.example"),
    ],
)
def test_the_origin_can_stand_in_a_link(host: str, public_url: str, origin: str) -> None:
    assert Settings(host=host, public_url=public_url).origin == origin


def test_known_hosts_are_ours_and_loopback() -> None:
    loopback = {"127.0.0.1", "localhost", "::1"}
    assert Settings().known_hosts == loopback
    assert Settings(host="0.0.0.0", hosts=("Forum.example",)).known_hosts == loopback | {"forum.example"}
    assert Settings(public_url="https://a.example:8443").known_hosts == loopback | {"a.example"}


def test_folders_stand_below_home_unless_said_otherwise() -> None:
    assert Settings(home=Path("h")).keys_folder == Path("h/keys")
    assert Settings(home=Path("h")).house_path == Path("h/house.toml")
    assert Settings(keys=Path("k"), house_file=Path("x.toml")).keys_folder == Path("k")
    assert Settings().embedded_database
    assert not Settings(database_url="postgresql://h").embedded_database


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "forum.example"])
def test_others_reach_the_pages_only_over_https_and_when_mail_can_be_sent(host: str) -> None:
    over_https = {"CONDUIT_HOST": host, "CONDUIT_PUBLIC_URL": "https://conduit.forum.example"}
    with pytest.raises(SettingsError, match="CONDUIT_PUBLIC_URL may lead to others"):
        Settings.load({"CONDUIT_HOST": host, "CONDUIT_SMTP_URL": "smtp://mail.example"})
    with pytest.raises(SettingsError, match="and CONDUIT_SMTP_URL"):
        Settings.load(over_https)
    assert Settings.load({**over_https, "CONDUIT_SMTP_URL": "smtp://mail.example"}).over_tls


@pytest.mark.parametrize(
    "variables",
    [
        {"CONDUIT_PUBLIC_URL": "https://conduit.forum.example"},
        {"CONDUIT_PUBLIC_URL": "http://conduit.forum.example", "CONDUIT_SMTP_URL": "smtp://mail.example"},
        {"CONDUIT_HOSTS": "conduit.forum.example", "CONDUIT_SMTP_URL": "smtp://mail.example"},
    ],
)
def test_a_proxy_on_the_same_computer_changes_nothing_about_that(variables: dict[str, str]) -> None:
    """Else the built-in mail box, with the links to sign in, would be open to whoever reaches the proxy."""
    with pytest.raises(SettingsError, match="CONDUIT_SMTP_URL"):
        Settings.load(variables)
    assert not Settings(public_url="https://conduit.forum.example").on_loopback
