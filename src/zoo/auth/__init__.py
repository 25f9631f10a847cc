"""Authentication schemes: a token in, an identity out."""
