"""Where somebody is paid: a British bank account, as it is typed, and sealed for whoever pays.

Nothing here writes one into a log, an event or a row of the audit, and its text does not show it.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from nacl.secret import SecretBox

from chassis.context import Context
from chassis.errors import Refused

#: Signs of the name on an account.
LONGEST_NAME = 70

_BETWEEN = re.compile(r"[ .\-\u2010\u2011\u2013]")


@dataclass(frozen=True, kw_only=True)
class BankDetails:
    """A bank account in the United Kingdom."""

    #: Of whoever holds it.
    name: str = field(repr=False)
    #: Six figures.
    sort_code: str = field(repr=False)
    #: Eight figures.
    account: str = field(repr=False)

    @property
    def sort_code_in_pairs(self) -> str:
        """As people write it: ``12-34-56``."""
        return "-".join(self.sort_code[at : at + 2] for at in (0, 2, 4))

    def sealed(self, context: Context, application_id: UUID) -> bytes:
        """As the database keeps it: good for this application, and in the row of no other."""
        said = {"of": str(application_id), **vars(self)}
        return bytes(_box(context).encrypt(json.dumps(said).encode()))

    @classmethod
    def opened(cls, context: Context, application_id: UUID, sealed: bytes) -> Self:
        """What was sealed for this application.

        Raises:
            ValueError: when it was sealed for another one.
        """
        said = json.loads(_box(context).decrypt(bytes(sealed)))
        if said.pop("of") != str(application_id):
            raise ValueError("These bank details are of another application.")
        return cls(**said)


def _box(context: Context) -> SecretBox:
    return SecretBox(context.keys.derive("bank details"))


def read_sort_code(typed: str) -> str:
    """A sort code, however its pairs are parted.

    Raises:
        Refused: says how to write it.
    """
    figures = _figures(typed)
    if len(figures) != 6 or figures == "000000":
        cure = "Write its six figures, for example 12-34-56. It stands on your bank card."
        raise Refused("This is not a sort code.", cure, field="sort_code")
    return figures


def read_account(typed: str) -> str:
    """The number of an account.

    Raises:
        Refused: says how to write it.
    """
    figures = _figures(typed)
    if len(figures) in (6, 7):
        cure = "If yours is shorter, put zeros in front of it until it has eight figures."
        raise Refused("An account number has eight figures.", cure, field="account")
    if len(figures) != 8 or figures == "00000000":
        cure = "Write its eight figures, for example 01234567. It stands on your bank card."
        raise Refused("This is not an account number.", cure, field="account")
    return figures


def _figures(typed: str) -> str:
    """The figures that were typed; nothing where something else is among them."""
    plain = _BETWEEN.sub("", typed)
    return plain if plain.isascii() and plain.isdecimal() else ""
