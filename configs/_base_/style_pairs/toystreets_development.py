# Images of both domains of ToyStreets' development pair, as those of toystreets.py.
_base_ = './toystreets.py'
source_root = 'data/toystreets_development/gta5'
target_root = 'data/toystreets_development/cityscapes'
roots = dict(source=dict(data_root=source_root), target=dict(data_root=target_root))
train_dataloader = dict(dataset=roots)
val_dataloader = dict(dataset=roots)
