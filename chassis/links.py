"""The secret in a link for somebody who has no account: derived, so that every print of it is the same.

Nothing of it is stored but a digest. Whoever has the database alone can make none.
"""

import hashlib
import hmac
from uuid import UUID

# Crockford's alphabet: no i, l, o or u, because people read codes aloud and copy them from paper.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
#: What programs take into a link that stands in a sentence or in brackets.
_AROUND = ".,;:!?)]}>'\"’”»…"
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})


def link_token(key: bytes, purpose: str, id: UUID, number: int = 1) -> str:
    """Derive 128 bits for a thing as 26 characters; the same thing always gets the same ones.

    A new `number` makes a new token for the same thing and leaves the old one behind.
    """
    if len(key) < 16:
        raise ValueError("The key of tokens in links needs at least 16 bytes.")
    told = purpose.encode() + b"\0" + id.bytes + number.to_bytes(4, "big")
    bits = int.from_bytes(hmac.digest(key, told, "sha256")[:16], "big")
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(125, -1, -5))


def link_digest(token: str) -> bytes:
    """The digest under which a token is stored and found, however its holder typed it."""
    meant = token.strip().rstrip(_AROUND).lower().translate(_MISREAD)
    return hashlib.sha256(meant.encode("utf-8", "replace")).digest()
