"""What goes behind the object: a picture, a video, a blur, a colour; and the compositor."""
