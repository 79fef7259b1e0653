"""The process `handoff tell`: alerts out, by every way.

process     the process: forms, ways and the store put together, health, gauges, the orderly way out
deliver     what is due, claimed, tried and ended, one turn a destination
settling    what became of deliveries, written many at once
parcels     the forms by name: one parcel a version, or one file or mail of all that is due
form        what all forms share
way         what all ways share: a parcel, the outcomes
addresses   where an address really leads, and whether it may be used
forms/      an alert's view to bytes; pure
ways/       bytes to a place
"""
