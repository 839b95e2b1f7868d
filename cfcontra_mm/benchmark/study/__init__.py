"""What to compare: the study file, its fields and checks."""

from .study import Column, Preparation, Row, Study, load_study

__all__ = ['Column', 'Preparation', 'Row', 'Study', 'load_study']
