"""``conduit doctor``: enough to help by, and nobody's name in it."""

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.config import Settings
from chassis.testing import PrivatePostgres
from services.doctor import NotWritten, write_bundle
from services.installation import Installation
from tests.conftest import EXAMPLES
from tests.journeys.running import Running, conduit

SECRET, PERSON = "correct-horse-battery", "marker@person.example"


def bundled(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


@pytest.mark.timeout(400)
def test_a_bundle_of_a_running_installation_helps_and_names_nobody(tmp_path: Path, home: Path) -> None:
    with Running(home, "--example", CONDUIT_SMTP_URL="") as served:
        served.wait_until_ready()
        served.wait_for_words("Sign in as one of these")
        log = tmp_path / "ours.log"
        ours = {"event": "message_parked", "id": "7", "name": PERSON, "body": "Dear Marker"}
        worse = {"event": "message_parked", "reason": "Zoe Marker", "route": "/partners/{id}"}
        log.write_text(f"partners-1  | {json.dumps(ours)}\nTraceback: Dear Marker\n{json.dumps(worse)}\n")
        done = conduit(
            *("doctor", "--to", str(tmp_path / "bundle.zip"), "--log", str(log)),
            home=home,
        )
        assert done.returncode == 0, done.stderr
    found = bundled(tmp_path / "bundle.zip")
    assert (tmp_path / "bundle.zip").stat().st_mode & 0o077 == 0
    services = json.loads(found["services.json"])
    assert services["partners"]["revision"] == services["partners"]["this_code"]
    assert services["partners"]["tables"]["organisations"] > 100
    assert any(
        each["what"] == "database of grants" and each["good"] for each in json.loads(found["checks.json"])
    )
    first, second = map(json.loads, found["log-ours.log.txt"].splitlines())
    assert first == {"event": "message_parked", "id": "7", "name": "…"}
    assert second == {"event": "message_parked", "reason": "…", "route": "/partners/{id}"}
    assert "asyncpg" in json.loads(found["versions.json"])["packages"]
    everything = "\n".join(text for name, text in found.items() if name != "versions.json")
    names = {"Forum", "Kovačević", "Amina", "Hana", "Hillingdon", "Marker", PERSON, str(home)}
    assert not {name for name in names if name in everything}
    assert not re.search(r"[\w.]+@[\w.]+\.example|postgresql://", everything)


def test_a_bundle_of_what_does_not_run_says_so_part_by_part(
    tmp_path: Path, postgres: PrivatePostgres
) -> None:
    """No house file, a database that is not there, a broker that is not there; and no password of either."""
    settings = Settings(
        home=tmp_path,
        database_url=f"postgresql://conduit:{SECRET}@127.0.0.1:1/none",
        amqp_url=f"amqp://conduit:{SECRET}@127.0.0.1:1/",
        smtp_url=f"smtp://conduit:{SECRET}@mail.forum.example:1",
        metrics_port=0,
    )
    Installation(settings).make_keys()
    write_bundle(Installation(settings), tmp_path / "bundle.zip", [])
    found = bundled(tmp_path / "bundle.zip")
    assert "could not be looked at" in found["services.json"]
    assert not json.loads(found["checks.json"])[0]["good"]
    assert json.loads(found["settings.json"])["CONDUIT_SMTP_URL"] == "set"
    assert json.loads(found["settings.json"])["CONDUIT_BATCH"] == settings.batch
    assert not [name for name, text in found.items() if SECRET in text or "forum.example" in text]
    housed = Installation(replace(settings, house_file=EXAMPLES / "house.toml"))
    with pytest.raises(NotWritten, match=r"bundle.zip cannot be written: File exists"):
        write_bundle(housed, tmp_path / "bundle.zip", [])
