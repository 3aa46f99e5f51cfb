"""The keys of an installation: one folder, one key pair and one secret per service.

A service reads its own private files and everybody's public ones. The files are written once, for their
owner alone to read; nothing in the database or in an event can be opened without them.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from secrets import token_bytes, token_hex

from nacl.encoding import HexEncoder
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey

from chassis.errors import ChassisError
from chassis.refusals import refused

#: Bytes.
_SECRET_SIZE = 32


class KeysError(ChassisError):
    """A key is missing or unreadable. Names the file and the cure."""


@dataclass(frozen=True, kw_only=True)
class Keyring:
    """What one service may use."""

    service: str
    private: PrivateKey = field(repr=False)
    public: dict[str, PublicKey] = field(repr=False)
    secret: bytes = field(repr=False)

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose. The same purpose always gives the same key."""
        return hmac.digest(self.secret, purpose.encode(), hashlib.sha256)

    @property
    def mark(self) -> str:
        """By which one sees that these are the same keys as before. It tells nothing of them."""
        public = self.private.public_key.encode()
        return hmac.digest(self.derive("mark"), public, hashlib.sha256).hex()[:32]


def create_keys(folder: Path, services: Iterable[str]) -> None:
    """Make the keys that do not exist yet; existing ones stay, also when two processes make them at once.

    Raises:
        KeysError: when the folder cannot be written, or holds what is no key.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for service in services:
            private = folder / f"{service}.private"
            create_file(private, _new_private)
            create_file(folder / f"{service}.public", partial(_public_of, private))
            create_file(folder / f"{service}.secret", _new_secret)
    except OSError as error:
        raise KeysError(refused(error, folder)) from None
    except (ValueError, CryptoError):
        raise KeysError(
            f"What is in {folder} is no key. Bring it back from your backup of the keys."
        ) from None


def read_keys(folder: Path, service: str) -> Keyring:
    """The keys of one service.

    Raises:
        KeysError: when its private key or secret is missing or cannot be read.
    """
    try:
        public = {path.stem: _public(path) for path in sorted(folder.glob("*.public"))}
        private = _private(folder / f"{service}.private")
        secret = bytes.fromhex((folder / f"{service}.secret").read_text().strip())
        if len(secret) != _SECRET_SIZE:
            raise ValueError
    except FileNotFoundError as missing:
        name = Path(missing.filename).name
        raise KeysError(
            f"The key file {name} is missing in {folder}. Bring it back from your backup of the keys: "
            "another one opens nothing of what there is. Where nothing was begun yet, conduit up makes it."
        ) from None
    except OSError as error:
        raise KeysError(refused(error, folder)) from None
    except (ValueError, CryptoError):
        cure = "Restore them from your backup."
        raise KeysError(f"The keys of {service} in {folder} cannot be read. {cure}") from None
    if public.get(service, private.public_key) != private.public_key:
        cure = "Bring both back from your backup of the keys."
        raise KeysError(f"{service}.private and {service}.public in {folder} are no pair. {cure}")
    return Keyring(service=service, private=private, public=public, secret=secret)


def _new_private() -> bytes:
    return PrivateKey.generate().encode(HexEncoder)


def _public_of(private: Path) -> bytes:
    return _private(private).public_key.encode(HexEncoder)


def _new_secret() -> bytes:
    return token_bytes(_SECRET_SIZE).hex().encode()


def _private(path: Path) -> PrivateKey:
    return PrivateKey(path.read_bytes().strip(), HexEncoder)


def _public(path: Path) -> PublicKey:
    return PublicKey(path.read_bytes().strip(), HexEncoder)


def create_file(path: Path, make: Callable[[], bytes]) -> None:
    """Write a file that does not exist yet, for its owner alone to read.

    The whole file appears at once or not at all, and never in the place of another one: a key that was
    replaced would leave what was sealed to it closed for ever.
    """
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:  # a full disk does not say where it is
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink()
