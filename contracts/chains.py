"""How far the chain of what people have done goes: what every service says of its own, in the same words.

Each row of a chain carries a digest of itself and of everything before it. So a number and a digest say what
the whole chain was, and nothing of anybody.
"""

from marshmallow import EXCLUDE, Schema, fields, validate

from contracts.envelope import Fact, WholeNumber


class Head(Schema):
    """The last row of a service's chain."""

    class Meta:
        unknown = EXCLUDE

    #: Whose chain it is.
    service = fields.String(required=True, validate=validate.Length(min=1, max=60))
    #: The number of the row. They are counted from 1, without a gap.
    number = WholeNumber(required=True, validate=validate.Range(min=1, max=2**53))
    #: SHA-256 of the row and of all before it, in hexadecimal digits.
    digest = fields.String(required=True, validate=validate.Length(equal=64))


class ChainHead(Head, Fact):  # type: ignore[misc]  # either says that unknown fields are ignored
    """How far the chain of one service went in one week. The subject is ``<service>/<week>``."""

    #: The Monday of the week.
    week = fields.Date(required=True)
