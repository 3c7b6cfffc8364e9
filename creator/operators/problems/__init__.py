"""Word problems taken apart: their quantities, their worked solutions, the people in them."""
