"""Settings: one frozen object, read once at start from the environment.

Every field carries its unit and its default. A missing or wrong value names its variable and the cure,
and never repeats the value, which may be a password.
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

PREFIX = "CONDUIT_"

#: Not a setting: how the supervisor tells its child which descriptor to watch.
SUPERVISOR_PIPE = "CONDUIT_SUPERVISOR_PIPE"


class SettingsError(Exception):
    """A setting is missing or cannot be used. The message names the variable and what to write there."""


def _setting(default: Any, help: str, unit: str = "", least: float | None = None) -> Any:
    return field(default=default, metadata={"help": help, "unit": unit, "least": least})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that may differ between two installations."""

    home: Path = _setting(Path(".conduit"), "where the embedded database, keys and mail are kept", "folder")
    house_file: Path | None = _setting(None, "the house file; <home>/house.toml when not given", "file")
    keys: Path | None = _setting(None, "the folder of keys; <home>/keys when not given", "folder")
    database_url: str = _setting(
        "",
        "PostgreSQL: one address with {service} in it, or an administrator's address from which a role and "
        "a database per service are made; the embedded server when empty",
        "postgresql://…",
    )
    database_prefix: str = _setting("conduit", "roles and databases are called <prefix>_<service>", "name")
    amqp_url: str = _setting("", "RabbitMQ; events stay inside the process when empty", "amqp://…")
    amqp_admin_url: str = _setting("", "RabbitMQ address of a user who may declare and look", "amqp://…")
    smtp_url: str = _setting("", "the mail server; the built-in mail box when empty", "smtp://…")
    mail_from: str = _setting("", "the sender's address; the house's when empty", "address")
    host: str = _setting("127.0.0.1", "where pages are served", "address")
    port: int = _setting(8000, "where pages are served", "port", 0)
    metrics_port: int = _setting(9108, "where metrics and health are served; 0 for none", "port", 0)
    public_url: str = _setting("", "the address in links; http://<host>:<port> when empty", "http(s)://…")
    hosts: tuple[str, ...] = _setting((), "further Host names that are answered", "names, comma between")

    pool_size: int = _setting(10, "database connections per service", "connections", 2)
    database_timeout: float = _setting(10.0, "the longest that a statement may take", "seconds", 0.1)
    acquire_timeout: float = _setting(5.0, "the longest wait for a free connection", "seconds", 0.1)
    heartbeat: int = _setting(20, "AMQP heartbeat; a peer silent for two of them is gone", "seconds", 1)
    confirm_timeout: float = _setting(5.0, "the longest wait for the broker's confirms", "seconds", 0.1)
    close_timeout: float = _setting(3.0, "the longest that closing a connection may take", "seconds", 0.1)
    prefetch: int = _setting(500, "messages that the broker hands out ahead", "messages", 1)
    batch: int = _setting(200, "messages handled in one transaction, rows relayed at once", "messages", 1)
    poll: float = _setting(5.0, "how often the outbox is looked at when nothing wakes the relay", "seconds", 0.05)
    retry_first: float = _setting(2.0, "the first wait before a parked message is tried again", "seconds", 0.01)
    retry_longest: float = _setting(600.0, "the longest wait between two tries", "seconds", 0.01)
    attempts: int = _setting(8, "tries before a parked message waits for a person", "tries", 1)
    watchdog: float = _setting(90.0, "silence on one's own queue after which one is deaf", "seconds", 1)
    grace: float = _setting(8.0, "the longest that stopping may take", "seconds", 0.5)
    request_timeout: float = _setting(20.0, "the longest that a page may take", "seconds", 0.5)
    body_limit: int = _setting(1_048_576, "the largest request body", "bytes", 1024)
    outbox_days: int = _setting(30, "how long published events are kept for tracing", "days", 1)
    inbox_days: int = _setting(400, "how long handled ids are kept; longer than any replay or backup", "days", 1)
    mail_rate: float = _setting(50.0, "letters sent at the most", "letters a second", 0.1)
    mail_timeout: float = _setting(20.0, "the longest that a mail server may take to answer", "seconds", 0.1)
    mail_attempts: int = _setting(6, "tries to hand over a letter before it counts as failed", "tries", 1)
    mail_retry: float = _setting(60.0, "the first wait before a letter is tried again", "seconds", 0.01)
    log_level: str = _setting("info", "the least that is logged: debug, info, warning, error", "word")
    clock_offset: float = _setting(0.0, "moves the clock of an example or a test", "seconds")
    failpoints: str = _setting("", "tests only: name=act, comma between", "text")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read the settings.

        Args:
            environ: the variables; the process's own when not given.
            overrides: values by field name that beat the environment (command-line options). ``None`` is
                ignored.

        Raises:
            SettingsError: names the variable at fault and what it should hold.
        """
        variables = dict(os.environ if environ is None else environ)
        values = {f.name: _read(f, variables) for f in dataclasses.fields(cls) if PREFIX + f.name.upper() in variables}
        known = {PREFIX + f.name.upper() for f in dataclasses.fields(cls)} | {SUPERVISOR_PIPE}
        unknown = [name for name in variables if name.startswith(PREFIX) and name not in known]
        if unknown:
            raise SettingsError(f"{sorted(unknown)[0]} is not a setting of Conduit. Remove it or correct its name.")
        values.update({name: value for name, value in overrides.items() if value is not None})
        settings = cls(**values)
        settings._check()
        return settings

    def environment(self) -> dict[str, str]:
        """The settings as variables that :meth:`load` reads back: how they reach a child process."""
        written = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if value != f.default and value is not None:
                written[PREFIX + f.name.upper()] = ",".join(value) if isinstance(value, tuple) else str(value)
        return written

    @property
    def embedded_database(self) -> bool:
        return not self.database_url

    @property
    def keys_folder(self) -> Path:
        return self.keys or self.home / "keys"

    @property
    def house_path(self) -> Path:
        return self.house_file or self.home / "house.toml"

    @property
    def origin(self) -> str:
        """Scheme, host and port as they stand in links, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def known_hosts(self) -> frozenset[str]:
        """The Host names that are answered; a browser can be made to send any other one to loopback."""
        own = {self.host, urlsplit(self.origin).hostname or ""}
        loopback = {"127.0.0.1", "localhost", "::1"} if self.host in ("127.0.0.1", "::1", "localhost") else set()
        return frozenset({name.lower() for name in own | loopback | set(self.hosts) if name})

    def _check(self) -> None:
        for f in dataclasses.fields(self):
            least, value = f.metadata["least"], getattr(self, f.name)
            if least is not None and value < least:
                raise SettingsError(f"{PREFIX}{f.name.upper()} must be at least {least} {f.metadata['unit']}.")
        _check_url("DATABASE_URL", self.database_url, ("postgresql", "postgres"))
        _check_url("AMQP_URL", self.amqp_url, ("amqp", "amqps"))
        _check_url("AMQP_ADMIN_URL", self.amqp_admin_url, ("amqp", "amqps"))
        _check_url("SMTP_URL", self.smtp_url, ("smtp", "smtps"))
        _check_url("PUBLIC_URL", self.public_url, ("http", "https"))
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"{PREFIX}LOG_LEVEL must be one of debug, info, warning, error.")


def _read(f: "dataclasses.Field[Any]", variables: Mapping[str, str]) -> Any:
    name = PREFIX + f.name.upper()
    text = variables[name].strip()
    kind = Path if f.default is None else type(f.default)
    try:
        if kind is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return Path(text) if issubclass(kind, Path) else kind(text)
    except ValueError:
        raise SettingsError(f"{name} must be given in {f.metadata['unit']}: {f.metadata['help']}.") from None


def _check_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    if url and (urlsplit(url).scheme not in schemes or "://" not in url):
        raise SettingsError(f"{PREFIX}{name} must start with {' or '.join(s + '://' for s in schemes)}.")
