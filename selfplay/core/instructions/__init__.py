"""Verifiable instructions: the 25 constraint kinds of IFEval, one family a file.

Source: Zhou et al., 2023, "Instruction-Following Evaluation for Large Language Models",
arXiv 2311.07911. Each kind is a pure function from a text and its parameters to a bool, under
IFEval's own name and with IFEval's own parameters, and a row of `table.INSTRUCTIONS`, which makes
it a check: rubrics, constraints and monitors can use it. `given` reads the constraints that a
prompt brings along and verifies a response on all of them.
"""
