"""The errors that the chassis raises and knows how to answer."""


class ChassisError(Exception):
    """Something about running, not about the business, went wrong."""

    def __str__(self) -> str:
        return super().__str__() or " ".join((self.__doc__ or "").split())


class Away(ChassisError):
    """Something that we need does not answer. It may do so in a moment."""


class DatabaseAway(Away):
    """The database does not answer. Nothing was changed; try again in a moment."""


class DatabaseFull(DatabaseAway):
    """The disk of the database is full. Nothing was changed; make room there, and it goes on by itself."""


class NotMigrated(ChassisError):
    """The database is not at the version that this code needs. Run: conduit migrate"""


class TablesBusy(ChassisError):
    """Tables are in use all the time. Nothing was changed. When there is less to do, run: conduit migrate"""


class DatabaseRefuses(ChassisError):
    """The database is there but does not let us in.

    Correct name and password in CONDUIT_DATABASE_URL, restore the folder of keys, or choose another
    CONDUIT_DATABASE_PREFIX.
    """


class HandlerTooSlow(ChassisError):
    """A handler took longer than it may. What it did was undone; it is tried again later."""


class NotYetKnown(ChassisError):
    """An event speaks of something that has not been heard of yet. It is tried again later."""


class Refused(ChassisError):
    """What was asked for cannot be done, and the person who asked can do something about it.

    Args:
        what: what is wrong, in a sentence.
        cure: what to do about it.
        field: the field at fault, if there is one.
    """

    status = 422
    #: Seconds after which it may be asked for again; nothing where waiting is no cure.
    retry_after: int | None = None

    def __init__(self, what: str, cure: str = "", *, field: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure
        self.field = field


class NotFound(Refused):
    """There is no such page, or it is not for you."""

    status = 404

    def __init__(
        self, what: str = "This page does not exist.", cure: str = "Check the address, or start again."
    ) -> None:
        super().__init__(what, cure)


class Conflict(Refused):
    """Somebody else, or an earlier click, was faster.

    Args:
        back: where one sees how things stand, if that is not the page that one comes from.
    """

    status = 409

    def __init__(self, what: str, cure: str = "", *, field: str = "", back: str = "") -> None:
        super().__init__(what, cure, field=field)
        self.back = back


class ChangedMeanwhile(Conflict):
    """What somebody changes is no longer what they have seen.

    Args:
        present: the thing as it is now, for whoever shows both side by side.
    """

    def __init__(self, present: object = None) -> None:
        what = "This has changed meanwhile."
        super().__init__(what, "Look at it as it is now, then send yours again.")
        self.present = present
