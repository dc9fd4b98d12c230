"""Train a network: stages and budgets, losses on rolled-out clips, a loop that can be resumed."""
