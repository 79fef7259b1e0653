"""What to ask in a call, and the letter for whom nobody reached: TOML in English and Spanish in, checked values out."""
