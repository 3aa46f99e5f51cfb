"""Letters out, answers in: the service that writes to people and remembers who answered.

Owns: campaigns, their letters, the answers, and an address book that is a copy of the partners' contacts.

Says: a letter was sent, failed, was acknowledged, answered or passed on (to whom, sealed), or its answer was
put right; a contribution was pledged; a campaign was sent; once a week, how far its chain of what people have
done goes. Never what a person wrote, and never a person's name or address for all to read.

Listens for: organisations, contacts (with the address sealed to this service) and registration counts; which
money came, went back and will not come; whether somebody to whom a letter was passed on is to have one; who
is to be mailed how to sign in, and how far every chain goes.
"""
