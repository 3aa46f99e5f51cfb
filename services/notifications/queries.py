"""The statements of the ``.sql`` files beside this module, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
READDRESSING = read_queries(__file__, "readdressing.sql")
COMPOSING = read_queries(__file__, "composing.sql")
COPIES = read_queries(__file__, "copies.sql")
COLLEAGUES = read_queries(__file__, "colleagues.sql")
ANSWERING = read_queries(__file__, "answering.sql")
INCOMING = read_queries(__file__, "incoming.sql")
CHASING = read_queries(__file__, "chasing.sql")
POSTING = read_queries(__file__, "posting.sql")
PACING = read_queries(__file__, "pacing.sql")
RESTORED = read_queries(__file__, "restored.sql")
SUSPECTING = read_queries(__file__, "suspecting.sql")
NOTICES = read_queries(__file__, "notices.sql")
BOARD = read_queries(__file__, "board.sql")
LOOKING_BACK = read_queries(__file__, "looking_back.sql")
