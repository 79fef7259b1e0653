"""What people do about a stay until its loop is closed. Values and `now` in, states, clocks and steps out; pure.

acts        the vocabulary: one thing a person did, its fields, what is wrong with one
state       how far we are with the patient: newest version and acts in, a follow-up state out (table state x word)
holder      who has the stay: acts and directory in, holder, offers and open questions out
sides       a practice and a plan that both look after one patient: whose acts count for which of them
meets       which act stops which clock, as rows: clocks and acts in, verdicts with the act that did it out
loop        all three of one stay at once
spans       a length of time as people say it, and the moment that long after or before another
escalation  who must be asked now because nobody acted; the rules are `escalation.toml`
look        what a look at one stay comes to: steps due, questions that are over, when to look again
frozen      the same where the rules changed in mid-run
counted     what one stay counts as in a week's report: its versions and acts in, a set of words out
referrals   the acts about referrals in; each with its steps, what may come next and when it is late, out
wishes      how a person wants to be reached: acts on any stay in, the last word on each thing out
glass       opening a patient in an emergency: reason and words in, what is wrong with them out
guides      what to ask in a call, and the letter for whom nobody reached: files in, questions and words out
roles       who may see and do what: role, action and relation in, yes or no with the reason out
allowed     who may write which act: the act, the stay and the directory in, the same out
"""
