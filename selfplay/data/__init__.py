"""Reading the user's data: prompt files and recorded groups."""
