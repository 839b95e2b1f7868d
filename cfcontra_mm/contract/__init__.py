"""Tests that every method keeps its contract, for methods here and in other packages.

``python -m cfcontra_mm.contract MODULE`` runs them on the methods that a module
registers. They know no method, network or layer by name: a method is tested on a tiny
DeepLab and on a tiny SegFormer with dropout and DropPath by being registered.
"""
