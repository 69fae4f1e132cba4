"""What each section of the page says: one file per section. They return plain data for the templates."""
