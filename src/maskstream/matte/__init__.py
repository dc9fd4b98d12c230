"""From a network's probabilities, or a screen's colour, to a soft alpha and the object's own colour."""
