"""What the software may be used for, in the words of the window, the reports and the cards."""

NOT_A_DEVICE = "Research software, not a medical device."
RESEARCH_ONLY = "Research only – not a medical device"
"""Where there is room for a few words."""
CARD_USE = "Research only. Not a medical device; no diagnosis may rest on it."
