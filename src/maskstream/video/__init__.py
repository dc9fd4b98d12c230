"""Video files and folders of images in, video files out: times, rotation, colour and sound kept."""
