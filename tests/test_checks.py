"""``conduit check`` on keys and passwords: what is open to others, and what everybody knows; on auditors."""

from pathlib import Path

import pytest

from chassis.config import Settings
from services import admission
from services.checks import Finding, run_checks
from services.installation import Installation


def finding(settings: Settings, what: str) -> Finding:
    (found,) = [each for each in run_checks(Installation(settings)) if each.what == what]
    return found


@pytest.fixture
def begun(tmp_path: Path) -> Settings:
    """An installation with its keys, whose database does not run."""
    settings = Settings(home=tmp_path)
    Installation(settings).make_keys()
    return settings


def test_keys_that_were_just_made_are_good(begun: Settings) -> None:
    for what in ("keys", "keys of sessions", "keys of partners", "passwords"):
        assert finding(begun, what).good, what


def test_a_key_that_others_can_read_is_said(begun: Settings) -> None:
    (begun.keys_folder / "grants.public").chmod(0o644)
    assert finding(begun, "keys").good
    (begun.keys_folder / "grants.secret").chmod(0o640)
    said = finding(begun, "keys")
    assert not said.good
    assert "grants.secret" in said.says
    assert "chmod 600" in said.says


def test_a_missing_session_key_is_said(begun: Settings) -> None:
    for path in begun.keys_folder.glob("session-*"):
        path.unlink()
    said = finding(begun, "keys of sessions")
    assert (said.good, "conduit keys rotate" in said.says) == (False, True)


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("amqp://guest:guest@127.0.0.1:1/", True),
        ("amqp://guest:guest@broker.example:1/", False),
        ("amqp://conduit:conduit@broker.example:1/", False),
        ("amqp://conduit@broker.example:1/", False),
        ("amqp://conduit:Ohkai7ae@broker.example:1/", True),
    ],
)
def test_a_password_that_everybody_knows_is_said_where_others_can_use_it(
    begun: Settings, address: str, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.checks._broker", lambda settings: ())
    settings = Settings(home=begun.home, amqp_url=address)
    said = finding(settings, "passwords")
    assert said.good is good
    assert "Ohkai7ae" not in said.says


def test_that_nobody_is_mailed_the_heads_is_no_fault_and_says_what_to_do(installation: Installation) -> None:
    def said() -> Finding:
        return finding(installation.settings, "audit")

    for role in ("ops", "auditor"):
        assert said().good
        assert said().says.startswith("nobody is mailed")
        assert "conduit person invite them@body.example --name 'Their Name' --role auditor" in said().says
        email = f"{role}@forum.example"
        admission.invite(installation, email=email, name=role, roles=[role], organisation="")
    assert (said().good, said().says) == (
        True,
        "auditors who are mailed each week how far the records go: 1",
    )
    admission.bar(installation, "auditor@forum.example")
    assert said().says.startswith("nobody is mailed")


def test_where_the_people_cannot_be_read_nothing_is_said_of_auditors(begun: Settings) -> None:
    assert "audit" not in {each.what for each in run_checks(Installation(begun))}
