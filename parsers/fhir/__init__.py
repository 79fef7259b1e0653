"""FHIR R4 that others send us: JSON in, values and named faults out."""
