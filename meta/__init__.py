"""The meta role: judges score the solver's responses, under a rubric where there is one."""
