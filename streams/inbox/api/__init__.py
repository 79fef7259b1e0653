"""`/api/v1`: requests of other systems in, JSON out, under the rules, the audit and the store of the pages.

models    what goes in and out, as one set of pydantic models
caller    a bearer token in, in whose name it speaks out; every refusal as a problem document (RFC 9457)
stays     the list, one stay with its story, and writing an act
alerts    alert versions after a cursor, as NDJSON
report    the numbers of a week
document  the same as an OpenAPI 3.1 document
"""
