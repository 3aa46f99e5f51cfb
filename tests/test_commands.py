"""Commands as a person types them, on an installation of their own: what they need, they make or say."""

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chassis.clock import real_now
from chassis.config import Settings
from chassis.testing import free_port
from services import admission
from services.installation import Installation
from tests.journeys.running import ROOT, Running, conduit

BEGIN = ("init", "--name", "Harbour Lights", "--email", "office@harbour.example", "--person", "Ana Óga")


def said_in_readme() -> list[list[str]]:
    """The commands under “Use it for your own organisation”, up to the start."""
    _, _, rest = (ROOT / "README.md").read_text("utf-8").partition("## Use it for your own organisation")
    lines = re.findall(r"^    \.venv/bin/conduit (.*?)(?:  +#.*)?$", rest.partition("\n| ")[0], re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_what_the_readme_says_works_in_its_order_before_anything_was_started(home: Path) -> None:
    first, invitation, *_ = said_in_readme()
    assert (first[0], invitation[:2]) == ("init", ["person", "invite"])
    for command in (BEGIN, invitation):
        done = conduit(*command, home=home)
        assert done.returncode == 0, done.stderr
    assert "get a mail that says where, once it is started: conduit up" in done.stdout
    listed = conduit("person", "list", home=home)
    assert "you@body.example  Your Name, Harbour Lights: ops, staff" in listed.stdout


def test_a_blank_answer_to_init_is_asked_for_again_with_the_reason(home: Path) -> None:
    typed = "Harbour Lights\noffice@harbour.example\n\nAna Óga\n"
    begun = conduit("init", home=home, typed=typed)
    assert begun.returncode == 0, begun.stderr
    assert (begun.stdout + begun.stderr).count("This is needed.") == 1
    assert 'name = "Ana Óga"' in (home / "house.toml").read_text("utf-8")


def test_commands_say_the_address_and_go_by_the_clock_of_what_serves(home: Path) -> None:
    assert conduit(*BEGIN, home=home).returncode == 0
    (home / "example").touch()  # of nothing else is the clock moved
    assert conduit("clock", "advance", "--working-days", "21", home=home).returncode == 0
    with Running(home) as served:
        served.wait_for_words(f"Conduit is at {served.url}/")
        said = conduit("person", "invite", "a@b.example", "--name", "A", "--role", "ops", home=home)
        [person] = json.loads(conduit("person", "list", "--json", home=home).stdout)
    assert datetime.fromisoformat(person["admitted_at"]) - real_now() > timedelta(days=20)
    assert f"{served.url}/partners/sign-in" in said.stdout
    public = {"CONDUIT_PUBLIC_URL": "http://127.0.0.1:9"}
    elsewhere = Installation(Settings.load({"CONDUIT_HOME": str(home), **public}))
    assert elsewhere.origin == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "command",
    [
        "person list",
        "person invite a@b.example --name A --role ops",
        "migrate",
        "keys rotate",
        "retention",
        "events parked",
        "audit verify",
        "import partners examples/partners.csv",
    ],
)
def test_a_slip_in_the_name_of_the_folder_begins_nothing(home: Path, command: str) -> None:
    said = conduit(*command.split(), "--home", str(home), home=home)
    assert said.returncode == 1
    assert said.stderr == (
        f"There is no installation in {home}. Name the folder of yours with --home or CONDUIT_HOME, or begin "
        "one there: conduit init\n"
    )
    assert not home.exists()


def test_where_no_file_can_be_written_is_said_without_a_trace(
    installation: Installation, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.touch()
    for file, error in (
        (there, admission.FileThere),
        (tmp_path / "absent" / "them.zip", admission.CannotWrite),
        (there / "them.zip", admission.CannotWrite),
    ):
        with pytest.raises(error, match=str(file.parent)):
            admission.write_archive(installation, "", ["reference"], file)


@pytest.mark.parametrize(
    "typed", ["staff", "STAFF", " Staff ", "Grants officer", "GRANTS_OFFICER", "panel member"]
)
def test_roles_are_typed_as_one_likes(typed: str) -> None:
    assert admission.role_code(typed) in {"staff", "grants_officer", "panel_member"}


def test_a_role_that_there_is_not_stays_what_was_typed() -> None:
    assert admission.role_code("King") == "king"


def test_several_may_be_the_first_to_be_invited(installation: Installation) -> None:
    """Our own body is entered in the register with the first of them, and once."""

    def invite(name: str) -> None:
        admission.invite(installation, email=f"{name}@b.example", name=name, roles=["ops"], organisation="")

    with ThreadPoolExecutor() as threads:
        list(threads.map(invite, ("Ana", "Bo", "Cy")))
    admitted = admission.everybody(installation)
    assert (len(admitted), len({each["organisation"] for each in admitted})) == (3, 1)


def test_whoever_is_not_known_is_said_before_one_is_asked_whether_one_means_it(home: Path) -> None:
    assert conduit(*BEGIN, home=home).returncode == 0
    said = conduit("person", "erase", "nobody@harbour.example", home=home)
    assert said.returncode == 1
    assert said.stderr.startswith("Nobody with this address or id is known.")
    assert "Is it they who ask?" not in said.stdout


def test_letters_are_said_to_be_in_the_mail_box_only_where_they_are(home: Path) -> None:
    assert conduit(*BEGIN, home=home).returncode == 0
    for url, shown in (("", True), (f"smtp://127.0.0.1:{free_port()}", False)):
        with Running(home, CONDUIT_SMTP_URL=url) as served:
            served.wait_for_words("Nobody may sign in yet")
            words = served.log.read_text("utf-8")
        assert (f"{served.url}/mail" in words) is shown, words
