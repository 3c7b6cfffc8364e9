"""Tables of the meta role: names, options and where the code is. No NumPy, no torch."""
