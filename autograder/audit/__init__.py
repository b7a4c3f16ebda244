"""Judging the judges: hidden tests must accept what is right, refuse what is wrong, and say fairly why."""
