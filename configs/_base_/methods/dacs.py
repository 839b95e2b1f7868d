# DACS, with its published teacher and threshold.
method = dict(model=dict(type='DACS', momentum=0.99, threshold=0.968))
