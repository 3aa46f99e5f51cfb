"""Keys and what is sealed with them: one service alone can read it, and a failure tells nothing."""

import json
import os
import stat
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from marshmallow import ValidationError
from nacl.public import SealedBox

from chassis.keys import Keyring, KeysError, create_keys, read_keys
from chassis.sealed import Unopenable, seal, unseal
from contracts.partners import ContactListed
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_keys(tmp_path / "home" / "keys", SERVICES)
    return tmp_path / "home" / "keys"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestFiles:
    def test_a_pair_and_a_secret_for_each_service(self, folder: Path) -> None:
        kinds = ("private", "public", "secret")
        assert set(contents(folder)) == {f"{service}.{kind}" for service in SERVICES for kind in kinds}
        assert len(set(contents(folder).values())) == 9

    def test_are_for_their_owner_alone_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            create_keys(tmp_path / "keys", SERVICES)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}

    def test_existing_ones_stay(self, folder: Path) -> None:
        before = contents(folder)
        create_keys(folder, (*SERVICES, "another"))
        after = contents(folder)
        assert after.items() > before.items()
        assert len(after) == 12

    def test_a_lost_public_key_is_made_again_from_the_private_one(self, folder: Path) -> None:
        before = contents(folder)
        (folder / "grants.public").unlink()
        create_keys(folder, SERVICES)
        assert contents(folder) == before

    def test_a_private_key_of_another_service_is_no_pair_with_the_public_one(self, folder: Path) -> None:
        (folder / "grants.private").write_bytes((folder / "partners.private").read_bytes())
        with pytest.raises(KeysError, match=r"grants\.private and grants\.public in .* are no pair"):
            read_keys(folder, GRANTS)

    def test_their_mark_changes_with_either_half_of_what_they_are(self, folder: Path) -> None:
        before = read_keys(folder, GRANTS).mark
        assert before == read_keys(folder, GRANTS).mark
        (folder / "grants.secret").write_bytes((folder / "partners.secret").read_bytes())
        assert read_keys(folder, GRANTS).mark != before

    def test_many_processes_at_once_agree(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: create_keys(tmp_path, SERVICES), range(16)))
        assert len(contents(tmp_path)) == 9
        for service in SERVICES:
            keys = read_keys(tmp_path, service)
            assert keys.private.public_key == keys.public[service]

    @pytest.mark.parametrize("kind", ["private", "secret"])
    def test_a_missing_one_is_named(self, folder: Path, kind: str) -> None:
        (folder / f"grants.{kind}").unlink()
        with pytest.raises(KeysError, match=rf"grants\.{kind} is missing .* Bring it back from your backup"):
            read_keys(folder, GRANTS)
        read_keys(folder, PARTNERS)

    @pytest.mark.parametrize("kind", ["private", "secret"])
    @pytest.mark.parametrize("content", [b"", b"ab", b"no hexadecimal", b"\xff\xfe", b"ab" * 64])
    def test_a_damaged_one_is_refused_and_not_quoted(self, folder: Path, kind: str, content: bytes) -> None:
        (folder / f"grants.{kind}").write_bytes(content)
        with pytest.raises(KeysError, match=r"The keys of grants in .* Restore them") as raised:
            read_keys(folder, GRANTS)
        assert content == b"" or content.decode("latin-1") not in str(raised.value)

    def test_a_line_end_from_an_editor_does_no_harm(self, folder: Path) -> None:
        before = read_keys(folder, GRANTS)
        for name, content in contents(folder).items():
            (folder / name).write_bytes(content + b"\n")
        assert read_keys(folder, GRANTS).secret == before.secret
        assert read_keys(folder, GRANTS).public == before.public

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(KeysError, match="cannot be used: Not a directory"):
            create_keys(tmp_path / "file" / "keys", SERVICES)


class TestKeyring:
    def test_shows_no_key(self, folder: Path) -> None:
        assert repr(read_keys(folder, GRANTS)) == "Keyring(service='grants')"

    def test_derives_a_key_for_each_purpose(self, folder: Path) -> None:
        keys, others = read_keys(folder, GRANTS), read_keys(folder, PARTNERS)
        assert keys.derive("links") == read_keys(folder, GRANTS).derive("links")
        assert len({keys.derive("links"), keys.derive("sessions"), others.derive("links"), keys.secret}) == 4
        assert len(keys.derive("links")) == 32


ADDRESS: dict[str, Any] = {
    "name": "Zoë Marker",
    "email": None,
    "postal_address": ["1 Marker Street"],
    "postcode": "W10 0XX",
    "source": "a public list",
}


class TestSealed:
    @pytest.fixture
    def rings(self, folder: Path) -> dict[str, Keyring]:
        return {service: read_keys(folder, service) for service in SERVICES}

    @pytest.fixture
    def sealed(self, rings: dict[str, Keyring]) -> str:
        return seal(rings[PARTNERS], ContactListed, "address", ADDRESS)

    def test_the_reader_opens_it(self, rings: dict[str, Keyring], sealed: str) -> None:
        assert unseal(rings[NOTIFICATIONS], ContactListed, "address", sealed) == ADDRESS

    def test_it_shows_nothing_and_is_different_every_time(
        self, rings: dict[str, Keyring], sealed: str
    ) -> None:
        assert b"Marker" not in b64decode(sealed)
        assert seal(rings[PARTNERS], ContactListed, "address", ADDRESS) != sealed

    @pytest.mark.parametrize("service", [PARTNERS, GRANTS])
    def test_nobody_else_does(self, rings: dict[str, Keyring], sealed: str, service: str) -> None:
        self.refused(rings[service], sealed)

    @pytest.mark.parametrize("place", [0, 31, 32, 47, 48, -1])
    def test_one_changed_bit_closes_it(self, rings: dict[str, Keyring], sealed: str, place: int) -> None:
        changed = bytearray(b64decode(sealed))
        changed[place] ^= 1
        self.refused(rings[NOTIFICATIONS], b64encode(changed).decode())

    @pytest.mark.parametrize("text", ["", "x", "AAAA", "not base64!", "“”", "A" * 5000])
    def test_what_was_never_sealed(self, rings: dict[str, Keyring], text: str) -> None:
        self.refused(rings[NOTIFICATIONS], text)

    @pytest.mark.parametrize("document", [b"no JSON", b"[]", b"1", b'{"name": 7}', b"\xff"])
    def test_sealed_but_something_else(self, rings: dict[str, Keyring], document: bytes) -> None:
        box = SealedBox(rings[PARTNERS].public[NOTIFICATIONS])
        self.refused(rings[NOTIFICATIONS], b64encode(box.encrypt(document)).decode())

    def test_a_reader_ignores_what_a_newer_writer_adds(self, rings: dict[str, Keyring]) -> None:
        box = SealedBox(rings[PARTNERS].public[NOTIFICATIONS])
        newer = b64encode(box.encrypt(json.dumps(ADDRESS | {"title": "Dr"}).encode())).decode()
        assert unseal(rings[NOTIFICATIONS], ContactListed, "address", newer) == ADDRESS

    @pytest.mark.parametrize("changed", [{"name": ""}, {"name": None}, {"postcode": "W10 0XX and more"}])
    def test_a_writer_seals_only_what_the_contract_allows(
        self, rings: dict[str, Keyring], changed: dict[str, Any]
    ) -> None:
        with pytest.raises(ValidationError):
            seal(rings[PARTNERS], ContactListed, "address", ADDRESS | changed)

    def test_a_missing_public_key_is_named(self, folder: Path) -> None:
        (folder / "notifications.public").unlink()
        with pytest.raises(KeysError, match=r"Copy notifications\.public into the folder"):
            seal(read_keys(folder, PARTNERS), ContactListed, "address", ADDRESS)

    def test_only_sealed_parts_are_sealed(self, rings: dict[str, Keyring], sealed: str) -> None:
        with pytest.raises(TypeError, match="role is not a sealed part"):
            unseal(rings[NOTIFICATIONS], ContactListed, "role", sealed)

    def refused(self, keys: Keyring, text: str) -> None:
        with pytest.raises(Unopenable) as raised:
            unseal(keys, ContactListed, "address", text)
        assert (
            str(raised.value)
            == f"partners.contact_listed.v1: address cannot be opened with the key of {keys.service}"
        )
        assert raised.value.__suppress_context__
