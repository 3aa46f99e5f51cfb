"""The names on the broker, in one place: who owns which exchange, who reads which queue.

Names are constants because queues outlive code: a Python rename must never leave a queue full of
messages behind under a name that nothing reads any more.
"""

from dataclasses import dataclass

PARTNERS = "partners"
GRANTS = "grants"
NOTIFICATIONS = "notifications"

SERVICES = (PARTNERS, GRANTS, NOTIFICATIONS)

EXCHANGES = {
    PARTNERS: "partners.events",
    GRANTS: "grants.events",
    NOTIFICATIONS: "notifications.events",
}

INBOXES = {
    PARTNERS: "partners.inbox",
    GRANTS: "grants.inbox",
    NOTIFICATIONS: "notifications.inbox",
}

DEAD_LETTERS = {
    PARTNERS: "partners.dead",
    GRANTS: "grants.dead",
    NOTIFICATIONS: "notifications.dead",
}

#: Whose sign of life others hear besides itself, and who they are: all go by what partners has signed, and
#: partners shows who lives.
HEARD_BY = {PARTNERS: (GRANTS, NOTIFICATIONS), GRANTS: (PARTNERS,), NOTIFICATIONS: (PARTNERS,)}

#: A crash of a consumer spends one life of every message in its prefetch window, so the limit is far
#: above any number of crashes in a row. It is explicit because RabbitMQ 4 made 20 the default.
DELIVERY_LIMIT = 1_000


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A durable quorum queue with all its arguments, as it must exist on the broker."""

    name: str
    arguments: dict[str, str | int]


def canary_key(service: str) -> str:
    """The routing key, and the type, of the message by which a service says that it lives.

    It comes back to the service itself, which so proves that it still receives, and goes to those who hear
    its sign of life. It is no event: nobody keeps it. Its body is the moment at which it was sent, by the
    computer's own clock, in ISO 8601.
    """
    return f"{service}.canary.v1"


#: Whose sign of life a message of this type is.
CANARIES = {canary_key(service): service for service in SERVICES}


def signs_heard_by(service: str) -> tuple[str, ...]:
    """Those whose sign of life a service hears, besides its own."""
    return tuple(sender for sender, hearers in HEARD_BY.items() if service in hearers)


def inbox_of(service: str) -> Queue:
    """The queue a service reads its events from.

    ``at-least-once`` dead-lettering needs ``reject-publish`` and keeps a rejected message in the queue
    until the dead-letter queue has confirmed it.
    """
    return Queue(
        name=INBOXES[service],
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_LETTERS[service],
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def dead_letters_of(service: str) -> Queue:
    """Where the broker moves a message that spent its deliveries; its service drains it into *parked*."""
    return Queue(name=DEAD_LETTERS[service], arguments={"x-queue-type": "quorum"})
