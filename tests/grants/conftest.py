"""The grants service's database."""

import pytest

from chassis.database import Database
from tests.conftest import MakeDatabase


@pytest.fixture
async def grants(make_database: MakeDatabase) -> Database:
    return await make_database("grants")


@pytest.fixture
async def statements(grants: Database) -> list[str]:
    """Every statement that the one connection of a quiet database is given from now on."""
    said: list[str] = []
    async with grants.connection() as connection:
        connection.add_query_logger(lambda record: said.append(record.query))
    return said
