"""The tables that a desk and a meeting show."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Round(models.Model):
    """What is applied for."""

    id = models.UUIDField(primary_key=True)
    fund_id = models.UUIDField()
    name = models.TextField()
    state = models.TextField()
    meets_on = models.DateField(null=True)
    most_pence = models.BigIntegerField(null=True)
    quorum = models.SmallIntegerField(null=True)
    help_name = models.TextField()
    help_telephone = models.TextField()

    class Meta:
        managed, db_table = False, "rounds"


class Criterion(models.Model):
    """By what is scored."""

    id = models.UUIDField(primary_key=True)
    round = models.ForeignKey(Round, models.PROTECT)
    number = models.SmallIntegerField()
    name = models.TextField()
    weight = models.SmallIntegerField()
    words = ArrayField(models.TextField())

    class Meta:
        managed, db_table = False, "criteria"


class Seat(models.Model):
    """Who sits on a panel."""

    pk = models.CompositePrimaryKey("round_id", "person_id")
    round = models.ForeignKey(Round, models.PROTECT)
    person_id = models.UUIDField()
    seat = models.TextField()
    professions = ArrayField(models.TextField())
    for_funder = models.BooleanField()
    takes_part = models.BooleanField(null=True)
    left_at = models.DateTimeField(null=True)

    class Meta:
        managed, db_table = False, "panel_members"


class Said(models.Model):
    """That somebody has said what they are close to."""

    person_id = models.UUIDField(primary_key=True)

    class Meta:
        managed, db_table = False, "interests_said"


class Application(models.Model):
    """What somebody asks for."""

    id = models.UUIDField(primary_key=True)
    round = models.ForeignKey(Round, models.PROTECT)
    state = models.TextField()
    profession = models.TextField()
    purpose = models.TextField()
    amount_pence = models.BigIntegerField()
    exam_on = models.DateField(null=True)

    class Meta:
        managed, db_table = False, "applications"


class Case(models.Model):
    """What the panel reads of it."""

    application = models.OneToOneField(Application, models.PROTECT, primary_key=True)
    id = models.UUIDField(unique=True)
    label = models.TextField()
    words = models.TextField()
    papers = models.TextField()
    handed_at = models.DateTimeField(null=True)

    class Meta:
        managed, db_table = False, "cases"


class Conflict(models.Model):
    """That a member is too close, or only acquainted."""

    id = models.UUIDField(primary_key=True)
    application = models.ForeignKey(Application, models.PROTECT)
    person_id = models.UUIDField()
    tie = models.TextField(null=True)
    state = models.TextField()

    class Meta:
        managed, db_table = False, "conflicts"


class Review(models.Model):
    """What a member says of a case."""

    pk = models.CompositePrimaryKey("application_id", "person_id")
    application = models.ForeignKey(Application, models.PROTECT)
    person_id = models.UUIDField()
    comment = models.TextField()
    submitted_at = models.DateTimeField(null=True)
    version = models.IntegerField()

    class Meta:
        managed, db_table = False, "reviews"


class Score(models.Model):
    """What a member gives it."""

    pk = models.CompositePrimaryKey("application_id", "person_id", "criterion_id")
    application = models.ForeignKey(Application, models.PROTECT)
    person_id = models.UUIDField()
    criterion = models.ForeignKey(Criterion, models.PROTECT)
    score = models.SmallIntegerField(null=True)

    class Meta:
        managed, db_table = False, "scores"


class Meeting(models.Model):
    """When a panel meets."""

    id = models.UUIDField(primary_key=True)
    round = models.ForeignKey(Round, models.PROTECT)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        managed, db_table = False, "meetings"


class Attendance(models.Model):
    """Who is there."""

    pk = models.CompositePrimaryKey("meeting_id", "person_id", "arrived_at")
    meeting = models.ForeignKey(Meeting, models.PROTECT)
    person_id = models.UUIDField()
    arrived_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    class Meta:
        managed, db_table = False, "attendance"


class Item(models.Model):
    """What a meeting looks at, with its rank."""

    pk = models.CompositePrimaryKey("meeting_id", "application_id")
    meeting = models.ForeignKey(Meeting, models.PROTECT)
    application = models.ForeignKey(Application, models.PROTECT)
    opened_at = models.DateTimeField(null=True)
    label = models.TextField()
    low = models.DecimalField(max_digits=60, decimal_places=0)
    decided = models.BooleanField()

    class Meta:
        managed, db_table = False, "items"


class StandIn(models.Model):
    """A reserve who counts for an item."""

    pk = models.CompositePrimaryKey("meeting_id", "application_id", "person_id")
    meeting_id = models.UUIDField()
    application_id = models.UUIDField()
    person_id = models.UUIDField()

    class Meta:
        managed, db_table = False, "stand_ins"


class Decision(models.Model):
    """What was decided."""

    id = models.UUIDField(primary_key=True)
    application = models.ForeignKey(Application, models.PROTECT)
    number = models.SmallIntegerField()
    meeting = models.ForeignKey(Meeting, models.PROTECT)
    kind = models.TextField()
    amount_pence = models.BigIntegerField(null=True)
    decided_at = models.DateTimeField()

    class Meta:
        managed, db_table = False, "decisions"


class Reason(models.Model):
    """What the applicant is told."""

    decision = models.OneToOneField(Decision, models.PROTECT, primary_key=True)
    words = models.TextField()
    why_changed = models.TextField()

    class Meta:
        managed, db_table = False, "reasons"


class Balance(models.Model):
    """What a fund has."""

    fund_id = models.UUIDField(primary_key=True)
    received_pence = models.BigIntegerField()
    refunded_pence = models.BigIntegerField()
    committed_pence = models.BigIntegerField()
    paid_pence = models.BigIntegerField()
    returned_pence = models.BigIntegerField()

    class Meta:
        managed, db_table = False, "fund_balances"


class Commitment(models.Model):
    """What is promised for an award."""

    award = models.OneToOneField(Application, models.PROTECT, primary_key=True)
    committed_pence = models.BigIntegerField()
    released_pence = models.BigIntegerField()

    class Meta:
        managed, db_table = False, "commitments"
