"""What the notebooks of the course import."""
