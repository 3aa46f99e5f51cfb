"""The statements of the ``.sql`` files beside this module, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
READDRESSING = read_queries(__file__, "readdressing.sql")
COMPOSING = read_queries(__file__, "composing.sql")
COPIES = read_queries(__file__, "copies.sql")
ANSWERING = read_queries(__file__, "answering.sql")
INCOMING = read_queries(__file__, "incoming.sql")
CHASING = read_queries(__file__, "chasing.sql")
SUSPECTING = read_queries(__file__, "suspecting.sql")
