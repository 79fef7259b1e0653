"""The process `handoff listen`: bytes in, an acknowledgment out, never before they are durable.

process          the process: both ways in, where it is durable, health, the orderly way out
mllp             the way in over MLLP: its sockets and connections
mllp_connection  one MLLP peer, from its first byte to its last
http             the way in over HTTP: `POST /hl7`
http_connection  one HTTP connection, and the server it is of
http_guard       headers, names of this host and tokens, before a body is read
connections      how many there may be, and what all may hold together
drop             watched folders: files in, acknowledged beside them
drop_file        one file of HL7, message by message
tls              what a handshake needs, and why one failed
senders          who sends: by address, certificate or token
intake           one message: looked at, made durable, acknowledged
durable          what a durable place promises
into_journal     on this disk
into_kafka       in Kafka
journal          the files of what is on this disk
folder_lock      one process a folder
playback         the journal into Kafka, once it is there
message_ids      our ids of messages
mllp_client      sends over MLLP and reads the acknowledgment
"""
