"""Three services that hear each other."""

from dataclasses import dataclass
from importlib import import_module

from chassis.database import Database
from chassis.inbox import Inbox
from chassis.relay import Relay
from chassis.transports import InProcess
from contracts.topology import SERVICES
from tests.conftest import MakeDatabase


@dataclass
class World:
    """Three services with databases of their own, and a way for what one says to the others."""

    databases: dict[str, Database]
    port: InProcess

    async def carry(self) -> None:
        """Until nobody has anything more to say."""
        relays = [Relay(database, self.port) for database in self.databases.values()]
        while any([await relay.next_due() for relay in relays]):
            for relay in relays:
                await relay.turn()

    def __getitem__(self, service: str) -> Database:
        return self.databases[service]


async def make_world(make_database: MakeDatabase) -> World:
    """One with nothing in it."""
    databases = {service: await make_database(service) for service in SERVICES}
    port = InProcess()
    for service, database in databases.items():
        handlers = import_module(f"services.{service}.handlers")
        port.register(service, Inbox(database, handlers.SUBSCRIPTIONS).take)
    return World(databases, port)
