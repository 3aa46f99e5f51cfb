"""The statements of the ``.sql`` files beside this module, by name."""

from chassis.database import read_queries

QUERIES = read_queries(__file__)
REGISTER = read_queries(__file__, "register.sql")
PEOPLE = read_queries(__file__, "people.sql")
RIGHTS = read_queries(__file__, "rights.sql")
MERGING = read_queries(__file__, "merging.sql")
COPIES = read_queries(__file__, "copies.sql")
AGREEMENTS = read_queries(__file__, "agreements.sql")
TIMELINE = read_queries(__file__, "timeline.sql")
REFERRALS = read_queries(__file__, "referrals.sql")
DIRECTORY = read_queries(__file__, "directory.sql")
IMPORTS = read_queries(__file__, "imports.sql")
SUGGESTIONS = read_queries(__file__, "suggestions.sql")
BACKUPS = read_queries(__file__, "backed_up.sql")
OPERATIONS = read_queries(__file__, "operations.sql")
