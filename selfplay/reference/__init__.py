"""The reference pages, made from the code: the configuration, the commands. Torch-free."""
