"""The process `handoff tell`: alerts out, by every way.

process              the process: forms, ways and the store put together, health, gauges, the orderly way out
deliver              what is due, claimed, tried and ended, one turn a destination
in_thread            what waits, in a thread
in_hand              what this process claimed, and whether it still is its own
resting              how long a destination that fails rests, when it is paused
empties              the files that say that nothing was
slots                hours and spans of destinations
seen                 what a destination may read of an alert
settling             what became of deliveries, written many at once
parcels              the forms by name: one parcel a version, or one file or mail of all that is due
managers             who is told that a person's mail comes back
form                 what all forms share
way                  what all ways share: a parcel, the outcomes
addresses            where an address really leads, and whether it may be used
signing              signatures of Standard Webhooks
relay                where mail is handed in
hl7_words            what our HL7 v2 messages share
fhir_words           what our FHIR resources share
connecting           a connection that is being opened, and why one cannot be
revocation           revocation lists of receivers' authorities, read again when they change
certificates         what a certificate is bound to, and whether one may encrypt to it
trying               a try, whose faults of our own are failures like others
few                  things done some at a time
turns                turns of destinations: one task each at a time, so many in all
looking              a look that is taken again and again
mailboxes            mails that came in: bounces and confirmations
reports              what became of mails that came back
signed_mail          who signed a mail, and whether it is the one expected
notices              a mail to whom something beside alerts concerns
hospital_desks       a mail to a hospital whose feed is silent
samples              tests of destinations that a page asks for
nobody               the alert about nobody that a test sends
contacts             whom a hospital turns to for its patient
hl7_parcels          the forms that are HL7 v2 messages
hl7_documents        the MDM message that carries a document
coordinator_parcels  the forms that tell a hospital who coordinates
serving/             a FHIR server of subscriptions
forms/               an alert's view to bytes; pure
ways/                bytes to a place
"""
