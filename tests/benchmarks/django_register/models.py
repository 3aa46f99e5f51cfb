"""The tables that the two pages show."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Tag(models.Model):
    """What organisations are marked with."""

    id = models.UUIDField(primary_key=True)
    name = models.TextField()
    key = models.TextField()

    class Meta:
        managed, db_table = False, "tags"


class Organisation(models.Model):
    """A body of the register."""

    id = models.UUIDField(primary_key=True)
    identifier = models.TextField()
    name = models.TextField()
    listed_as = models.TextField()
    searched = models.TextField()
    kinds = ArrayField(models.TextField())
    areas = ArrayField(models.TextField())
    closeness = models.TextField()
    opened_on = models.DateField(null=True)
    closed_on = models.DateField(null=True)
    successor = models.ForeignKey("self", models.PROTECT, null=True)
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="merged", db_column="merged_into"
    )
    tags = models.ManyToManyField(Tag, db_table="organisation_tags", related_name="organisations")

    class Meta:
        managed, db_table = False, "organisations"


class Contact(models.Model):
    """Somebody there."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    role = models.TextField()
    name = models.TextField()
    channel = models.TextField()
    email = models.TextField(null=True)
    postal_address = ArrayField(models.TextField())
    postcode = models.TextField(null=True)
    source = models.TextField()
    listed_on = models.DateField()
    withdrawn_on = models.DateField(null=True)

    class Meta:
        managed, db_table = False, "contacts"


class Entry(models.Model):
    """Something that happened."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    happened_at = models.DateTimeField()
    kind = models.TextField()
    what = models.TextField()
    detail = models.TextField()
    letter_id = models.UUIDField(null=True)
    heard_at = models.DateTimeField()

    class Meta:
        managed, db_table = False, "timeline"


class View(models.Model):
    """What somebody has saved of the list."""

    id = models.UUIDField(primary_key=True)
    person_id = models.UUIDField()
    name = models.TextField()
    query = models.TextField()
    shared = models.BooleanField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        managed, db_table = False, "saved_views"


class Agreement(models.Model):
    """What is agreed, or is being drafted."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    state = models.TextField()
    terms = models.JSONField()
    changed_at = models.DateTimeField()

    class Meta:
        managed, db_table = False, "agreements"


class Outcome(models.Model):
    """What somebody owns of an agreement."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    what = models.TextField()
    owner = models.TextField()
    state = models.TextField()
    due_on = models.DateField()

    class Meta:
        managed, db_table = False, "owned_outcomes"


class Referral(models.Model):
    """Somebody who was sent on."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    reference = models.TextField()
    need = models.TextField()
    state = models.TextField()
    made_at = models.DateTimeField()

    class Meta:
        managed, db_table = False, "referrals"


class Service(models.Model):
    """What a body offers."""

    id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    name = models.TextField()
    listed_as = models.TextField()
    checked_on = models.DateField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        managed, db_table = False, "offered_services"
