"""The map of the containers and their image, as far as they can be checked without an engine.

The schema of the compose specification is the one that check-jsonschema carries.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncpg
import jsonschema
import pytest
import yaml
from typer.main import get_command

from chassis.config import PREFIX, Settings, SettingsError
from chassis.migrations import drop_databases
from chassis.testing import LOOPBACK, PrivatePostgres
from contracts.topology import SERVICES
from services.__main__ import app
from services.deploying import HOME, NoMap, deploy
from services.installation import Installation
from services.start import begin
from tests.conftest import EXAMPLES

ROOT = Path(__file__).parents[2]
MAP: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = MAP["services"]

#: Made by others than us; all of our own have one image.
OURS = {name for name, each in CONTAINERS.items() if "build" in each}

#: Who writes to which folders of this computer.
WRITTEN = {
    *(("notifications", f"./deploy/home/{folder}") for folder in ("ledger", "lmtp")),
    *(("ops", f"./deploy/home/{folder}") for folder in ("desk", "backups", "backup-keys")),
}

#: What `.env` says.
GIVEN = {"CONDUIT_DOMAIN": "conduit.body.example", "CONDUIT_USER": "1000:1000"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tree in which `conduit init` and `conduit deploy init` were typed, as the map says, twice."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / "docker-compose.yml").touch()
    (tree / "deploy" / "prometheus").mkdir(parents=True)
    (tree / "deploy" / "prometheus" / "alertmanager.yml.example").touch()
    before = Path.cwd()
    os.chdir(tree)
    try:
        installation = Installation(Settings(home=HOME))
        begin(installation, name="Harbour", email="office@harbour.example", person="Ana")
        deploy(installation, GIVEN["CONDUIT_DOMAIN"])
        (HOME / "secrets" / "smtp-url").write_text("smtp://mail.harbour.example")
        with Path(".env").open("a") as variables:
            variables.write("CONDUIT_BACKUP_FOR=age1of-ours\n")
        deploy(installation, "moved.example")
        deploy(installation, GIVEN["CONDUIT_DOMAIN"])
        yield tree
    finally:
        os.chdir(before)


def test_it_is_as_the_specification_has_it() -> None:
    carried = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(carried.read_text(encoding="utf-8"))
    faults = jsonschema.validators.validator_for(schema)(schema).iter_errors(MAP)
    assert [f"{list(fault.path)}: {fault.message}" for fault in faults] == []


def test_whatever_is_named_is_there(home: Path) -> None:
    """Networks, volumes, secrets, steps that are waited for, and every file that a container is given."""
    for name, each in CONTAINERS.items():
        assert set(each.get("networks", ())) <= set(MAP["networks"]), name
        for step, wanted in each.get("depends_on", {}).items():
            condition = wanted["condition"]
            ends = CONTAINERS[step].get("restart") == "on-failure:5"
            assert condition == ("service_completed_successfully" if ends else "service_healthy"), name
            assert ends or "healthcheck" in CONTAINERS[step], name
        for source in _secrets(each).values():
            assert source in MAP["secrets"], name
        for source, _, mode in _mounts(each):
            if source.startswith("./"):
                assert mode == "ro" or (name, source) in WRITTEN, f"{name} may write to {source}"
                assert _exists(source, home), f"{name} is given {source}, which is not there"
            else:
                assert source in MAP["volumes"], name
    used = {source for each in CONTAINERS.values() for source in _secrets(each).values()}
    assert used == set(MAP["secrets"])
    assert all(_exists(secret["file"], home) for secret in MAP["secrets"].values())


def _exists(source: str, home: Path) -> bool:
    return (home / source if source.startswith(f"./{HOME}/") else ROOT / source).exists()


def _said(text: Any) -> str:
    """What a line of the map says, with what `.env` says in its place."""
    return re.sub(r"\$\{(\w+)(?::-)?([^}]*)\}", lambda found: GIVEN.get(found[1], found[2]), str(text))


def _mounts(container: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What a container is given of this computer: from where, at which place, and how it may be used."""
    parts = [_said(volume).split(":") for volume in container.get("volumes", ())]
    return [(source, place, mode[0] if mode else "rw") for source, place, *mode in parts]


def _secrets(container: dict[str, Any]) -> dict[str, str]:
    """The secrets of a container by where they are put."""
    named = container.get("secrets", ())
    pairs = [(each, each) if isinstance(each, str) else (each["target"], each["source"]) for each in named]
    return {f"/run/secrets/{target}": source for target, source in pairs}


def _variables(container: dict[str, Any], tree: Path) -> dict[str, str]:
    """The settings of a container, with each secret where it lies in a tree."""
    secrets = {place: str(tree / MAP["secrets"][name]["file"]) for place, name in _secrets(container).items()}
    said = {variable: _said(text) for variable, text in container["environment"].items()}
    return {variable: secrets.get(text, text) for variable, text in said.items()}


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_of_ours_starts_with_settings_that_hold(name: str, home: Path) -> None:
    """They are read as they will be, with each secret at its place."""
    container, variables = CONTAINERS[name], _variables(CONTAINERS[name], home)
    settings = Settings.load(variables)
    if name in SERVICES:
        assert not settings.on_loopback
        assert settings.over_tls
        assert settings.proxies == (CONTAINERS["proxy"]["networks"]["front"]["ipv4_address"],)
        assert settings.amqp_url.startswith(f"amqp://conduit_{name}:")
        assert settings.smtp_url == (
            "smtp://mail.harbour.example" if name == "notifications" else "smtp://mailbox:1025"
        )
        assert Installation(settings).urls()[name].startswith(f"postgresql://conduit_{name}:")
        assert settings.handler_timeout < settings.grace < int(container["stop_grace_period"].rstrip("s"))
        assert settings.metrics_host == "0.0.0.0"
    assert f"{PREFIX}HOME" not in variables or name == "ops"


def test_a_service_has_its_own_keys_and_passwords_and_no_others(home: Path) -> None:
    for service in SERVICES:
        container = CONTAINERS[service]
        given = {Path(source).name for source, _, _ in _mounts(container)}
        written = {"ledger", "lmtp"} if service == "notifications" else set()
        assert given == {"house.toml", f"keys-{service}"} | written
        keys = {path.name for path in (home / HOME / "secrets" / f"keys-{service}").iterdir()}
        assert {name for name in keys if name.endswith((".private", ".secret", ".database", ".owner"))} == {
            f"{service}.private",
            f"{service}.secret",
        }
        assert any(name.endswith(".signing") for name in keys) == (service == "partners")
        assert {f"{other}.public" for other in SERVICES} <= keys
        own = {f"{service}-database-url", f"{service}-broker-url"}
        mail = {"smtp-url", "imap-url"} if service == "notifications" else set()
        assert set(_secrets(container).values()) == own | mail
    # Whoever administers is asked once, before anybody serves.
    admitted = {name for name, each in CONTAINERS.items() if "postgres-url" in _secrets(each).values()}
    assert admitted == {"databases", "ops"}
    assert CONTAINERS["ops"]["profiles"] == ["ops"]


def test_the_secrets_can_be_entered_by_their_owner_alone_and_stay(home: Path) -> None:
    folder = home / HOME / "secrets"
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o004 for path in folder.rglob("*"))
    assert (folder / "smtp-url").read_text() == "smtp://mail.harbour.example"
    domain, user, kept = (home / ".env").read_text().splitlines()
    assert (domain, kept) == ("CONDUIT_DOMAIN=conduit.body.example", "CONDUIT_BACKUP_FOR=age1of-ours")
    assert not user.startswith("CONDUIT_USER=0:")
    assert f"{(home / HOME / 'ledger').stat().st_uid}:" in user, "whoever writes there owns it"
    definitions = folder / "rabbitmq-definitions.json"
    before, password = definitions.read_bytes(), folder / "broker-password-conduit_grants"
    deploy(Installation(Settings(home=HOME)), GIVEN["CONDUIT_DOMAIN"])
    assert definitions.read_bytes() == before, "nothing has changed, and nothing looks as if it had"
    password.write_text("another")
    deploy(Installation(Settings(home=HOME)), GIVEN["CONDUIT_DOMAIN"])
    changed = zip(definitions.read_text().splitlines(), before.decode().splitlines(), strict=True)
    assert [now.split(":")[0].strip() for now, then in changed if now != then] == ['"password_hash"']
    told = json.loads(definitions.read_text())
    assert all(user["password_hash"] for user in told["users"])
    texts = [path.read_text() for path in folder.glob("broker-password-*")]
    assert len(texts) == 4
    assert not any(text in json.dumps(told) for text in texts)


def test_secrets_are_made_where_the_map_is_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoMap):
        deploy(Installation(Settings(home=HOME)), "x.example")
    (tmp_path / "docker-compose.yml").touch()
    with pytest.raises(SettingsError, match="without https://"):
        deploy(Installation(Settings(home=HOME)), "https://x y/")
    with pytest.raises(SettingsError, match="There is no house file in deploy/home yet"):
        deploy(Installation(Settings(home=HOME)), "x.example")
    with pytest.raises(SettingsError, match="conduit init --home deploy/home"):
        deploy(Installation(Settings(home=tmp_path / "elsewhere")), "x.example")


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_no_container_can_do_more_than_it_must(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"]
    assert container["cap_drop"] == ["ALL"]
    assert container.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "logging"} <= set(container)
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(container)
    assert "docker.sock" not in json.dumps(container)
    image = container["image"]
    assert re.fullmatch(r"([a-z-]+/)?[a-z-]+:v?\d+\.\d+(\.\d+)?[a-z-]*", image), (
        "an exact version, no registry"
    )
    if name not in OURS and name != "proxy":
        assert container["user"] not in ("", "root", "0")
    for port in container.get("ports", ()):
        assert name == "proxy" or port.startswith(f"{LOOPBACK}:"), "only the proxy is reached from elsewhere"
    if container.get("restart") == "unless-stopped":
        assert "healthcheck" in container


def test_who_reaches_whom() -> None:
    """Databases and broker are reached by the services alone; only what mails or is looked at leaves."""
    on = {
        net: {name for name, each in CONTAINERS.items() if net in each["networks"]} for net in MAP["networks"]
    }
    steps = {"databases", *(f"migrate-{service}" for service in SERVICES)}
    assert on["front"] == {"proxy", *SERVICES}
    assert on["back"] == {"postgres", "rabbitmq", "ops", *SERVICES, *steps}
    assert on["world"] == {"proxy"}
    assert on["mail"] == {"notifications", "alertmanager", "mailbox", "ops"}
    assert on["desk"] == {"prometheus", "grafana", "mailbox"}
    assert {net for net, each in MAP["networks"].items() if each.get("internal")} == {
        "front",
        "back",
        "watch",
    }


class Ops:
    """Commands as `docker compose run --rm ops` runs them: with its settings and folders, and no engine.

    PostgreSQL and RabbitMQ are those of the test. What a command changes must be its container's to change.
    """

    container = CONTAINERS["ops"]

    def __init__(self, tree: Path, postgres: PrivatePostgres, broker: str) -> None:
        secrets = tree / HOME / "secrets"
        (secrets / "postgres-url").write_text(postgres.url)
        (secrets / "broker-url").write_text(broker)
        self.tree = tree
        self.places = {place: tree / source for source, place, _ in _mounts(self.container)}
        self.places |= {place.partition(":")[0]: tree.with_name("tmp") for place in self.container["tmpfs"]}
        self.may_write = [tree / source for source, _, mode in _mounts(self.container) if mode == "rw"]
        self.desk = self.places[self.container["working_dir"]]
        tree.with_name("tmp").mkdir(exist_ok=True)

    def run(self, *arguments: str, given: bytes = b"", **variables: str) -> str:
        """Run a command to its good end. What it has printed."""
        settings = _variables(self.container, self.tree)
        here = {name: text if f"{self.tree}" in text else self._here(text) for name, text in settings.items()}
        before = self._everything()
        said = _conduit(*map(self._here, arguments), folder=self.desk, given=given, **here | variables)
        changed = {path for path, *_ in self._everything() ^ before}
        strange = {path for path in changed if not any(map(path.is_relative_to, self.may_write))}
        assert not strange, f"{arguments} writes where its container may not"
        return said

    def _here(self, text: str) -> str:
        """Where on this computer lies what the container has at a place."""
        for place, path in self.places.items():
            if text == place or text.startswith(f"{place}/"):
                return str(path) + text.removeprefix(place)
        return text

    def _everything(self) -> set[tuple[Path, int, int]]:
        found = ((path, path.stat()) for path in self.tree.rglob("*"))
        return {(path, status.st_mtime_ns, status.st_size) for path, status in found}


def _conduit(*arguments: str, folder: Path, given: bytes = b"", **variables: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    done = subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), f"{PREFIX}DATABASE_PREFIX": "desk", **variables},
        input=given,
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.timeout(240)
def test_every_command_writes_where_its_container_may_and_a_new_computer_gets_everything_back(
    tmp_path: Path, postgres: PrivatePostgres, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What setup and runbook say for containers, in their order, and then on a computer with nothing."""

    def tree(name: str) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "docker-compose.yml").touch()
        monkeypatch.chdir(tmp_path / name)
        return tmp_path / name

    def deployed(tree: Path) -> Ops:
        deploy(Installation(Settings(home=HOME, database_prefix="desk")), GIVEN["CONDUIT_DOMAIN"])
        return Ops(tree, postgres, broker)

    def organisations() -> int:
        return asyncio.run(_count(postgres, "SELECT count(*) FROM organisations"))

    here = tree("here")
    begin(Installation(Settings(home=HOME)), name="Harbour", email="office@harbour.example", person="Ana")
    shutil.copyfile(EXAMPLES / "house.toml", HOME / "house.toml")
    ops = deployed(here)
    try:
        ops.run("migrate")
        shutil.copyfile(EXAMPLES / "partners.csv", ops.desk / "my-partners.csv")
        ops.run("import", "partners", "my-partners.csv")
        assert "Taken in." in ops.run("mail", "receive", given=b"From: a@b.example\nSubject: c\n\nd\n")
        ops.run("doctor")
        assert len([*ops.desk.glob("conduit-doctor-*.zip")]) == 1
        recipient = ops.run("backup", "key", "--to", "backup-identity").strip().partition("=")[2]
        ops.run("backup", CONDUIT_BACKUP_FOR=recipient)
        (backup,) = (ops.places["/backups"]).iterdir()
        (keys,) = (ops.places["/backup-keys"]).iterdir()
        count = organisations()
        drop_databases(postgres.url, "desk", SERVICES)

        there = tree("there")
        files = ("--identity", str(ops.desk / "backup-identity"), "--keys", str(keys), "--files")
        _conduit("restore", str(backup), *files, "--home", str(HOME), folder=there)
        new = deployed(there)
        shutil.copytree(backup, new.places["/backups"] / backup.name)
        shutil.copyfile(ops.desk / "backup-identity", new.desk / "backup-identity")
        new.run("restore", f"/backups/{backup.name}", "--identity", "backup-identity")
        assert organisations() == count > 0
        passwords = [(each / HOME / "secrets" / "postgres-password").read_text() for each in (here, there)]
        assert passwords[0] != passwords[1]
    finally:
        drop_databases(postgres.url, "desk", SERVICES)


async def _count(postgres: PrivatePostgres, query: str) -> int:
    connection = await asyncpg.connect(postgres.database_url("desk_partners"))
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


def test_what_is_to_be_typed_with_containers_can_be_typed() -> None:
    """Each command is known with its options; what is given a file, or runs by a timer, has no terminal."""
    texts = "\n".join(
        (ROOT / name).read_text("utf-8") for name in ("docs/setup.md", "docs/operate.md", "docs/runbook.md")
    )
    typed = re.findall(r"docker compose run --rm (-T )?ops\b *([^`#\n,;]*)", texts)
    assert {words.split()[0] for _, words in typed if words} >= {
        *("check", "import", "mail", "doctor", "backup", "restore", "person"),
    }
    for terminal, words in typed:
        command: Any = get_command(app)
        for word in (found := words.partition("<")[0].split()):
            command = getattr(command, "commands", {}).get(word, command)
        options = {option for each in command.params for option in each.opts}
        assert {word for word in found if word.startswith("--")} <= options, words
        assert bool(terminal) is (words.strip() == "backup" or "<" in words), words


class TestImage:
    """``deploy/Dockerfile``, read as its instructions."""

    steps = [
        line
        for line in re.sub(
            r"\\\n\s*",
            " ",
            re.sub(r"(?m)^#.*\n", "", (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")),
        ).splitlines()
        if line
    ]

    def of(self, instruction: str) -> list[str]:
        return [step.partition(" ")[2] for step in self.steps if step.startswith(f"{instruction} ")]

    def test_everything_that_is_copied_is_there_and_goes_to_the_engine(self) -> None:
        let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        assert "*" in let_in
        for copied in self.of("COPY"):
            if copied.startswith("--from=build "):
                continue
            *sources, _ = copied.split()
            for source in sources:
                assert (ROOT / source).exists()
                assert f"!{source}" in let_in

    def test_only_what_the_lock_files_know_is_installed(self) -> None:
        installs = re.findall(r"pip install ([^&]+)", " && ".join(self.of("RUN")))
        assert len(installs) == 3
        for options in installs:
            assert "--require-hashes" in options or {"--no-deps", "--no-index"} <= set(options.split())
        assert "requirements-dev" not in " ".join(self.steps)
        assert not re.search(r"curl|wget|https?://|index-url", " ".join(self.steps))

    def test_it_is_one_small_image_that_runs_as_nobody_in_particular(self) -> None:
        bases = self.of("FROM")
        assert {base.split()[0] for base in bases} == {"python:3.11.14-slim-bookworm"}
        assert [base.split()[1:] for base in bases] == [["AS", "build"], []]
        assert self.of("USER") == ["10001:10001"]
        assert self.steps.index("USER 10001:10001") > self.steps.index(
            "COPY --from=build /opt/conduit /opt/conduit"
        )
        assert self.of("ENTRYPOINT") == ['["conduit"]']
        for name in OURS:
            assert CONTAINERS[name]["image"] == "conduit:0.1.0"
            assert CONTAINERS[name]["command"]
