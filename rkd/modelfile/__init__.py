"""Modelfiles of both dialects: parse, render, lint."""
