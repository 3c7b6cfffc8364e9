"""Objectives on TRL's trainers, one family a file. Each learns from recorded groups alone."""
