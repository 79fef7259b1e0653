"""How a hospital's feed talks and what it lacks: what was heard of it in, silences and report cards out. Pure."""
