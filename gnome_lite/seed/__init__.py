"""How the bundled seed is planned, made and described."""
