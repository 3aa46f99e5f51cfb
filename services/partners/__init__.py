"""Partners: the organisations that the house works with, whom it knows there, and what happened between them.

Owns organisations, contacts, the timeline of each organisation, and who was referred to it.
Says that an organisation was registered, amended or closed, that a contact was listed or withdrawn, and that
a referral was made, answered or closed: for what need, never about whom.
A contact's name and address leave here sealed, for notifications alone to read.
Says to whom how far the chains of what people have done go: to each auditor, once a week.
Listens for letters sent, failed, acknowledged and answered and for contributions pledged, which it shows
on the timeline, and for how far the other services' chains go. Nothing that it owns changes by what it hears.
"""
