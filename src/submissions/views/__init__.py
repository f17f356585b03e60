"""Import paths that platforms know."""
