"""Who is registered, what their skills are worth, and what was promised for them.

Owns the registrations: one per person, known by a keyed digest of their reference and never by name.
Says how many people of each profession live in each area (``registrations_counted``), never who; and once a
week how far its chain of what people have done goes.
Listens for organisations, to keep a copy of their names, and for contributions pledged.
"""
