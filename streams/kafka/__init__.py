"""What travels on which topic, and everything we ask of a broker beside Faust."""
