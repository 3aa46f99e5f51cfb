"""The statements of the ``.sql`` files beside this module, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
READDRESSING = read_queries(__file__, "readdressing.sql")
COPIES = read_queries(__file__, "copies.sql")
CHASING = read_queries(__file__, "chasing.sql")
SUSPECTING = read_queries(__file__, "suspecting.sql")
