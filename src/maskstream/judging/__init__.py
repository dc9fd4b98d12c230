"""Networks judged while they train and when they are compared."""
