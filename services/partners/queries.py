"""The statements of ``queries.sql``, ``people.sql`` and ``rights.sql``, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
PEOPLE = read_queries(__file__, "people.sql")
RIGHTS = read_queries(__file__, "rights.sql")
