"""The statements of each file of SQL in this folder, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
PEOPLE = read_queries(__file__, "people.sql")
RIGHTS = read_queries(__file__, "rights.sql")
IMPORTS = read_queries(__file__, "imports.sql")
