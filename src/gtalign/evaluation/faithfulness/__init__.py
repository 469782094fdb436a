"""Faithfulness: whether the rest of a chain follows its payoff matrix, also after an edit."""
