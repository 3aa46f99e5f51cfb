"""What was kept of supported releases, as databases that were migrated to this code."""

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest

from chassis.config import Settings
from chassis.house import House
from chassis.migrations import migrate
from chassis.testing import PrivatePostgres
from contracts.topology import SERVICES
from services.installation import migrations_of
from tests.conftest import MakeDatabase, administer, databases
from tests.upgrade.releases import SUPPORTED, Release


@pytest.fixture(scope="package", params=SUPPORTED, ids=lambda release: release.folder.name)
def release(request: pytest.FixtureRequest) -> Release:
    """Each release from which one may upgrade to this code."""
    assert isinstance(request.param, Release)
    return request.param


@pytest.fixture(scope="package")
def restored(postgres: PrivatePostgres, release: Release) -> dict[str, str]:
    """The names of a release's databases with the example in them, by service."""
    names = {service: f"restored_{release.folder.name}_{service}" for service in SERVICES}
    for service, name in names.items():
        asyncio.run(administer(postgres, f'CREATE DATABASE "{name}"'))
        asyncio.run(release.restore(service, postgres.database_url(name)))
    return names


@pytest.fixture(scope="package")
def migrated(postgres: PrivatePostgres, restored: dict[str, str]) -> dict[str, str]:
    """The names of the same databases, brought to this code."""
    names = {service: f"migrated_{name}" for service, name in restored.items()}
    for service, name in names.items():
        asyncio.run(administer(postgres, f'CREATE DATABASE "{name}" TEMPLATE "{restored[service]}"'))
        migrate(postgres.database_url(name), migrations_of(service))
    return names


@pytest.fixture
async def make_migrated(
    postgres: PrivatePostgres, migrated: dict[str, str], release: Release, settings: Settings, house: House
) -> AsyncIterator[MakeDatabase]:
    """Makes a copy of such a database, and opens it with the keys that its rows are sealed with."""
    shutil.rmtree(settings.keys_folder)
    release.write_keys(settings.keys_folder)
    async with databases(postgres, migrated.__getitem__, settings, house) as make:
        yield make
