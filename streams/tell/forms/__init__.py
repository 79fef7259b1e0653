"""An alert's view, for one recipient, to bytes. Pure; no form knows another; a form never sees more than the view.

json    the webhook's body and one line of NDJSON, with the published JSON Schema
csv     one row a version or a stay, for files
mail    nudge and digest: counts and a link, no patient
fhir    a Da Vinci notification (message bundle)
hl7v2   a document message with a readable summary (MDM)
"""
