"""Modelfiles of both dialects: parse, check, derive, render, lint; standard library only."""
