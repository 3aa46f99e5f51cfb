"""The grants service's database."""

from dataclasses import replace

import pytest

from chassis.config import Settings
from chassis.database import Database
from tests.conftest import MakeDatabase


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Where hundreds act at once, the last waits for a connection as long as a busy computer takes."""
    return replace(settings, acquire_timeout=60)


@pytest.fixture
async def grants(make_database: MakeDatabase) -> Database:
    return await make_database("grants")


@pytest.fixture
async def statements(grants: Database, asked_once: None) -> list[str]:
    """Every statement that the two connections of a quiet database are given from now on."""
    said: list[str] = []
    for glancing in (False, True):
        async with grants.connection(glancing=glancing) as connection:
            connection.add_query_logger(lambda record: said.append(record.query))
    return said
