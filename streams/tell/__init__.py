"""The process `handoff tell`: alerts out, by every way.

process     the process: forms, ways and the store put together, health, gauges, the orderly way out
deliver     what is due, claimed, tried and ended, one turn a destination
in_thread   what waits, in a thread
resting     how long a destination that fails rests, when it is paused
empties     the files that say that nothing was
slots       hours and spans of destinations
seen        what a destination may read of an alert
settling    what became of deliveries, written many at once
parcels     the forms by name: one parcel a version, or one file or mail of all that is due
managers    who is told that a person's mail comes back
form        what all forms share
way         what all ways share: a parcel, the outcomes
addresses   where an address really leads, and whether it may be used
signing     signatures of Standard Webhooks
relay       where mail is handed in
hl7_words   what our HL7 v2 messages share
fhir_words  what our FHIR resources share
serving/    a FHIR server of subscriptions
forms/      an alert's view to bytes; pure
ways/       bytes to a place
"""
