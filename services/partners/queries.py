"""The statements of ``queries.sql`` and of the files named after their matter, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
PEOPLE = read_queries(__file__, "people.sql")
RIGHTS = read_queries(__file__, "rights.sql")
AGREEMENTS = read_queries(__file__, "agreements.sql")
