"""The terminal: output, accessible output, languages, help pages, interrupts."""
