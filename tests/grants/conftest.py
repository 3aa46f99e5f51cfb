"""The grants service's database."""

import pytest

from chassis.database import Database
from tests.conftest import MakeDatabase


@pytest.fixture
async def grants(make_database: MakeDatabase) -> Database:
    return await make_database("grants")
