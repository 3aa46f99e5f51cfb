"""Partners: the organisations that the house works with, whom it knows there, and what happened between them.

Owns organisations, contacts and tags; the timeline of each organisation, with notes, meetings and files;
agreements with their versions, signatures, reviews and outcomes; referrals; the directory of services; the
files that are taken in; and who may sign in, with what they are trusted with and what they ask of their data.
Says that an organisation was registered, amended (also into which other it was merged) or closed, and that a
contact was listed or withdrawn; who may sign in, and what has changed about that; that an agreement was
offered, signed or is to be reviewed, and that an outcome was met; that a referral was made, answered or
closed: for what need, never about whom. Services, tags and notes stay here.
Names and addresses leave here sealed, for notifications alone to read.
Says to whom how far the chains of what people have done go: to each auditor, once a week.
Says whether somebody to whom a letter was passed on was entered as a contact.
Listens for letters sent, failed, acknowledged, answered and passed on and for contributions pledged,
received, given back and written back, which it shows on the timeline; for notices that did not arrive; for
what others hold on somebody who asks, and whether they have forgotten them; and for how far the other
services' chains go. Nothing of the register changes by what it hears.
"""
