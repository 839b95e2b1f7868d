"""Tests of the contract that every method keeps, here and in other packages.

``python -m cfcontra_mm.contract MODULE`` runs them on the methods that a module
registers. The tests name no method, network or layer: every registered method is tested
on a tiny DeepLab and on a tiny SegFormer with dropout and DropPath.
"""
