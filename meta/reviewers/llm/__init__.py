"""The reviewer that is a language model: analysis of rollouts, refinement, merging (MPO)."""
