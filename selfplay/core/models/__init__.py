"""Text-model backends, one file each, imported only when one is used."""
