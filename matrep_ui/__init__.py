"""What the pages share: page set-up, charts and the viewer component."""
