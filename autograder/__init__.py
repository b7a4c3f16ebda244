"""Staff side of the course: builds notebooks, runs submissions, marks them."""
