"""Faithful stand-ins for the upstreams, on 127.0.0.1, for tests and for trying the product by hand."""
