"""What judges by a language model share: quoting, asking, reading replies, probabilities."""
