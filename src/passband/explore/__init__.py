"""The explorer: sliders on the real filters, in a browser."""
