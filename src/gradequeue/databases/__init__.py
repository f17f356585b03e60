"""Django's database backends, with fewer trips to the server: what follows upon each other travels together."""
