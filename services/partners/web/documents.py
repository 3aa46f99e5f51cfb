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
    #: The lines of its postal address, without the postcode.
    postal_address = fields.List(fields.String(), required=True)
    postcode = fields.String(required=True, allow_none=True)
    telephone = fields.String(required=True, allow_none=True)
    website = fields.String(required=True, allow_none=True)
    opened_on = fields.Date(required=True, allow_none=True)
    closed_on = fields.Date(required=True, allow_none=True)
    successor_id = fields.UUID(required=True, allow_none=True)
    version = WholeNumber(required=True)


class ChangeDocument(Schema):
    """What may be changed of an organisation: how a body closes is said elsewhere."""

    identifier = fields.String()
    name = fields.String()
    kinds = fields.List(fields.String())
    areas = fields.List(fields.String())
    closeness = fields.String()
    postal_address = fields.List(fields.String())
    postcode = fields.String(allow_none=True)
    telephone = fields.String(allow_none=True)
    website = fields.String(allow_none=True)
    opened_on = fields.Date(allow_none=True)


class EntryChangeDocument(ChangeDocument):
    """All that may be changed: what is left out is empty afterwards."""

    identifier = fields.String(required=True)
    name = fields.String(required=True)
    kinds = fields.List(fields.String(), required=True)
    closeness = fields.String(required=True)


class NewOrganisationDocument(ChangeDocument):
    """An organisation that is to be entered. Without an identifier it is given one of ours."""

    name = fields.String(required=True)
    kinds = fields.List(fields.String(), required=True)
    closeness = fields.String(required=True)
    #: Those that are alike and that were looked at: it is none of them.
    not_one_of = fields.List(fields.UUID())


class ListedDocument(OrganisationDocument):
    """One of many, with how many we know there."""

    contacts = WholeNumber(required=True)
    tags = fields.List(fields.String(), required=True)


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
