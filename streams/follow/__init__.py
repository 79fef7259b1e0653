"""What happens because time passes, done by one process at a time: questions, late alerts, what is forgotten.

ticks            the table of what is done again and again: each by whoever has its turn
overdue          stays, acts and the escalation rules in, questions to the next person out
silence          what each feed said in, whether it has fallen silent out
late_enrollment  people who joined the panel in; what they missed, to be decided late, out; after each load twice
diagnoses        discharges a day and a week old in, whether each has its diagnosis out
reports          what was told and done in, what each stay counts as in its week out
prune            how long each thing is kept, as a table; what is older forgotten
"""
