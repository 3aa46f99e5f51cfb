"""What the API of partners gives: never a name or an address of a person."""

from marshmallow import Schema, fields

from contracts.envelope import WholeNumber


class OrganisationDocument(Schema):
    """One organisation."""

    id = fields.UUID(required=True)
    href = fields.String(required=True)
    identifier = fields.String(required=True)
    name = fields.String(required=True)
    kinds = fields.List(fields.String(), required=True)
    areas = fields.List(fields.String(), required=True)
    closeness = fields.String(required=True)
    opened_on = fields.Date(required=True, allow_none=True)
    closed_on = fields.Date(required=True, allow_none=True)
    successor_id = fields.UUID(required=True, allow_none=True)
    version = WholeNumber(required=True)


class ListedDocument(OrganisationDocument):
    """One of many, with how many we know there."""

    contacts = WholeNumber(required=True)


class OrganisationsDocument(Schema):
    """A page of the register."""

    organisations = fields.List(fields.Nested(ListedDocument), required=True)
    #: All that were found, on however many pages.
    total = WholeNumber(required=True)
    #: The address of the next page.
    next = fields.String(required=True, allow_none=True)


class ContactDocument(Schema):
    """That there is somebody of a role."""

    id = fields.UUID(required=True)
    role = fields.String(required=True)
    channel = fields.String(required=True)
    listed_on = fields.Date(required=True)
    withdrawn_on = fields.Date(required=True, allow_none=True)


class EntryDocument(Schema):
    """Something that happened."""

    at = fields.AwareDateTime(required=True)
    kind = fields.String(required=True)
    what = fields.String(required=True)
    letter_id = fields.UUID(required=True, allow_none=True)


class WholeOrganisationDocument(OrganisationDocument):
    """One organisation with whom we know there and what happened."""

    contacts = fields.List(fields.Nested(ContactDocument), required=True)
    timeline = fields.List(fields.Nested(EntryDocument), required=True)
