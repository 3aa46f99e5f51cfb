"""Links that are secrets: what stands in one is derived from what it leads to, and kept as a digest alone.

So a reprint or a reminder carries the same link, and the database holds nothing that would open the page.
"""

import hashlib
import hmac

# Crockford's alphabet: no i, l, o or u, because people read codes aloud and copy them from paper.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})


def link_token(key: bytes, about: bytes) -> str:
    """Derive 128 bits as 26 characters; the same key and the same thing always give the same ones."""
    if len(key) < 16:
        raise ValueError("The key of the tokens needs at least 16 bytes.")
    bits = int.from_bytes(hmac.digest(key, about, "sha256")[:16], "big")
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(125, -1, -5))


def link_digest(token: str) -> bytes:
    """Return the digest under which a token is stored and found, however its holder typed it."""
    return hashlib.sha256(token.lower().translate(_MISREAD).encode("utf-8", "replace")).digest()
