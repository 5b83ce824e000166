"""Masks against truth by the rules of CDnet 2014."""
