"""The process `handoff inbox`: what a case manager keeps open; rows and views in, pages and a stream of changes out."""
