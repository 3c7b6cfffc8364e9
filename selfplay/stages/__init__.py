"""What one round is made of, stage by stage; `selfplay.game` puts the stages in order."""
