# The rows of Table 2 on ToyStreets; AdaptSegNet has its two levels here.
_base_ = ['./table2_gta2city.py', './_base_/toystreets.py']
study = dict(
    name='table2_gta2city_toystreets',
    preparations={{_base_.toystreets.preparations}},
    data={{_base_.toystreets.data}},
    rows=[
        dict(
            name='source-only',
            config='configs/source_only/deeplabv2_r18_toystreets.py',
        ),
        dict(
            name='AdaptSegNet',
            config='configs/adaptsegnet/deeplabv2_r18_toystreets.py',
            cost=4.5,
        ),
        dict(name='DCAN'),
        dict(name='CyCADA'),
        dict(
            name='CLAN',
            config='configs/clan/deeplabv2_r18_toystreets.py',
            cost=3.5,
        ),
        dict(
            name='AdvEnt',
            config='configs/advent/deeplabv2_r18_toystreets.py',
            cost=4.5,
        ),
        dict(name='CAG'),
        dict(
            name='MinEnt',
            config='configs/minent/deeplabv2_r18_toystreets.py',
            cost=2.0,
        ),
        dict(
            name='CFContra',
            config='configs/cfcontra/deeplabv2_r18_toystreets.py',
            cost=2.5,
            needs=['translation'],
        ),
        dict(name='DACS', config='configs/dacs/deeplabv2_r18_toystreets.py', cost=3.0),
        dict(
            name='oracle',
            config='configs/oracle/deeplabv2_r18_toystreets.py',
        ),
    ],
)
