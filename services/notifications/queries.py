"""The statements of ``queries.sql``, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
