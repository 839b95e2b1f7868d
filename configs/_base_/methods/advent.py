# AdvEnt: AdaptSegNet with the same weights on maps of self-information.
_base_ = './adaptsegnet.py'
method = dict(model=dict(type='AdvEnt'))
