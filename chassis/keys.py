"""The keys of an installation: one folder, one key pair and one secret per service.

A service reads its own private files and everybody's public ones. The files are written once, for their
owner alone to read; nothing in the database or in an event can be opened without them.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes

from nacl.encoding import HexEncoder
from nacl.public import PrivateKey, PublicKey


class KeysError(Exception):
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
        return hmac.new(self.secret, purpose.encode(), hashlib.sha256).digest()


def create_keys(folder: Path, services: Iterable[str]) -> None:
    """Make the keys that do not exist yet; existing ones stay as they are."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for service in services:
        private = folder / f"{service}.private"
        if not private.exists():
            key = PrivateKey.generate()
            _write(private, key.encode(HexEncoder))
            _write(folder / f"{service}.public", key.public_key.encode(HexEncoder))
        if not (secret := folder / f"{service}.secret").exists():
            _write(secret, token_bytes(32).hex().encode())


def read_keys(folder: Path, service: str) -> Keyring:
    """The keys of one service.

    Raises:
        KeysError: when its private key or secret is missing or cannot be read.
    """
    try:
        return Keyring(
            service=service,
            private=PrivateKey((folder / f"{service}.private").read_bytes(), HexEncoder),
            public={
                path.stem: PublicKey(path.read_bytes(), HexEncoder) for path in sorted(folder.glob("*.public"))
            },
            secret=bytes.fromhex((folder / f"{service}.secret").read_text()),
        )
    except FileNotFoundError as missing:
        raise KeysError(f"The key file {Path(missing.filename).name} is missing in {folder}. Run: conduit init") from None
    except (OSError, ValueError):
        raise KeysError(f"The keys of {service} in {folder} cannot be read. Restore them from your backup.") from None


def _write(path: Path, content: bytes) -> None:
    """Write through a new file, so that a crash never leaves half a key behind."""
    draft = path.with_suffix(path.suffix + ".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
