"""A FHIR R4 server for subscriptions: requests of signed-in clients in, what they may read of what we told them out.

server         the port, beside the deliveries of the same process
app            the addresses
sign_in        SMART Backend Services: an assertion in, a token out
key_sets       a client's JSON Web Key Set, from a file or its URL
capabilities   what it can do
requests       what was sent: queries, forms, resources
answers        FHIR answers and what went wrong
subscriptions  Subscription made, read, changed, deleted, searched
notified       $status and $events, and the resources they point at
care_teams     who coordinates a hospital's patient
upkeep         handshakes, heartbeats and ends
"""
