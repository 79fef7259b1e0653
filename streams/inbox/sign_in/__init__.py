"""Who somebody is, by a provider or by what was enrolled here: proofs in, people of the directory out."""
