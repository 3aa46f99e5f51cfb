"""Who is registered, what their skills are worth, which money there is for them, and how it is shared out.

Owns the registrations: one per person, known by a keyed digest of their reference and never by name. Owns the
funds, in whose ledgers every penny can be followed, and the rounds in which one may apply for their money.
Owns the applications, and apart from them who applies, sealed.
Says how many people of each profession live in each area (``registrations_counted``), never who; which money
came, went back and will not come; which rounds open and close; what becomes of an application; once a week
how far its chain of what people have done goes.
Listens for organisations, to keep a copy of their names, and for contributions pledged.
"""
