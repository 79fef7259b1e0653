"""Bytes to a place; no words. No way knows another.

http    POST over HTTP, signed (webhook, FHIR message, subscription)
smtp    mail
mllp    HL7 v2, one connection kept
folder  files in a folder
sftp    files in a folder of another machine
direct  mail signed and encrypted to a certificate
"""
