"""The statements of the ``.sql`` files beside this module, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
COPIES = read_queries(__file__, "copies.sql")
FUNDS = read_queries(__file__, "funds.sql")
LEDGER = read_queries(__file__, "ledger.sql")
ROUNDS = read_queries(__file__, "rounds.sql")
REGISTRATIONS = read_queries(__file__, "registrations.sql")
IMPORTS = read_queries(__file__, "imports.sql")
APPLICATIONS = read_queries(__file__, "applications.sql")
PANEL = read_queries(__file__, "panel.sql")
CONFLICTS = read_queries(__file__, "conflicts.sql")
COMMENTS = read_queries(__file__, "comments.sql")
DOUBTS = read_queries(__file__, "doubts.sql")
MONEY = read_queries(__file__, "money.sql")
COLLEAGUES = read_queries(__file__, "colleagues.sql")
DESK = read_queries(__file__, "desk.sql")
SHOW = read_queries(__file__, "show.sql")
DOSSIERS = read_queries(__file__, "dossiers.sql")
MEETING = read_queries(__file__, "meeting.sql")
SERVED = read_queries(__file__, "served.sql")
ATTENDING = read_queries(__file__, "attending.sql")
