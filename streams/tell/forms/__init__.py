"""An alert's view, for one recipient, to bytes. Pure; no form knows another; a form never sees more than the view.

json    the webhook's body and one line of NDJSON, with the published JSON Schema
csv     one row a version or a stay, for files
mail    nudge and digest: counts and a link, no patient
fhir    a Da Vinci notification (message bundle)
notifications  a FHIR notification of a subscription
hl7v2   a document message with a readable summary (MDM)
adt     our own ADT message
direct  a DirectTrust event notification: text, context, our ADT message
care_team  who coordinates, for a hospital
coordinator  who coordinates, as a short MDM or the text of a Direct message
received  a hospital's ADT as received, and what takes it back
sms     a text message of counts, as a gateway wants it
"""
