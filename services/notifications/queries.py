"""The statements of ``queries.sql``, read once."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
