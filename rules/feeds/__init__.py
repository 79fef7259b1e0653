"""How a hospital's feed talks: what was heard of it in, whether it has fallen silent out. Pure."""
