"""Starting an installation of one's own: its first house file can be read at once."""

from pathlib import Path

import pytest

from chassis.config import Settings
from chassis.house import HouseError, house_of, read_house
from services.installation import Installation, NotAnExample
from services.start import AlreadyBegun, begin, starter_house, thrown_away
from tests.conftest import EXAMPLES


def test_what_is_begun_is_not_begun_again(tmp_path: Path) -> None:
    installation = Installation(Settings(home=tmp_path / "home"))
    path = begin(installation, name="Harbour Lights", email="office@harbour.example", person="Ana Óga")
    assert installation.house().signatories["director"].name == "Ana Óga"
    before = path.read_bytes()
    with pytest.raises(AlreadyBegun):
        begin(installation, name="Another", email="office@another.example", person="Somebody")
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["Harbour Lights", 'Ràdio "Ö" {curly} \\ back', "مركز الأمل", "=1+1"])
def test_the_starter_can_be_read_at_once_and_says_what_is_left_to_do(name: str) -> None:
    house = house_of(starter_house(name, "office@harbour.example"))
    assert (house.name, house.short_name, house.email) == (name, name, "office@harbour.example")
    assert set(house.unfinished) == {"number", "address", "telephone", "website", "complaints", "signatories"}
    assert all(house.lists.values())


def test_the_starter_has_the_lists_of_the_example() -> None:
    example = read_house(EXAMPLES / "house.toml")
    starter = house_of(starter_house("Harbour Lights", "office@harbour.example"))
    assert set(starter.lists) == set(example.lists)


@pytest.mark.parametrize(
    ("name", "email", "key"),
    [
        ("", "office@harbour.example", "name"),
        ("Two\nlines", "office@harbour.example", "name"),
        ("DEL\x7f", "office@harbour.example", "name"),
        ("Half \ud800 character", "office@harbour.example", "name"),
        ("Harbour", "office", "email"),
        ("Harbour", "a@b@c.example", "email"),
        ("Harbour", "one@a.example, two@b.example", "email"),
    ],
)
def test_a_starter_is_not_made_from_what_could_not_be_read_back(name: str, email: str, key: str) -> None:
    with pytest.raises(HouseError) as caught:
        starter_house(name, email)
    assert caught.value.key == key


def test_the_example_never_enters_an_installation_of_ones_own(tmp_path: Path) -> None:
    installation = Installation(Settings(home=tmp_path / "home"))
    begin(installation, name="Aid", email="office@aid.example", person="Jo Bloggs")
    with pytest.raises(NotAnExample, match="--home example"):
        installation.take_example_house()
    assert not (tmp_path / "home" / "example").exists()


def test_an_example_that_was_begun_goes_on(tmp_path: Path) -> None:
    installation = Installation(Settings(home=tmp_path / "home"))
    installation.take_example_house()
    installation.take_example_house()
    assert installation.house().short_name == "the Forum"


def test_what_is_thrown_away_mails_nobody_and_takes_in_no_mail(tmp_path: Path) -> None:
    """A mail that is handed over to it would be gone with it."""
    settings = Settings(
        smtp_url="smtp://mail.aid.example", imap_url="imaps://u:p@mail.aid.example", lmtp="127.0.0.1:2424"
    )
    story = thrown_away(settings, tmp_path)
    assert (story.smtp_url, story.imap_url, story.lmtp) == ("", "", "")
    assert story.home == tmp_path / "home"
