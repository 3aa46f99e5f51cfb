"""The statements of ``queries.sql`` and of the other files beside it, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
PEOPLE = read_queries(__file__, "people.sql")
RIGHTS = read_queries(__file__, "rights.sql")
DIRECTORY = read_queries(__file__, "directory.sql")
