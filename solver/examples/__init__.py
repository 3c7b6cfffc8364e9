"""Training data from judged groups: pairs, single responses, unpaired feedback."""
