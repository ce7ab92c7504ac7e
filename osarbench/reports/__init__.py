"""What is shown to people: terminal tables, figures, pages."""
