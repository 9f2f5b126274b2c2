"""Prompts are files: `file` reads and checks one, `shelf` finds it by name, `render` fills it in for a record."""
