"""Build the package, with its configs and tools inside for ``mim``."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM_RESOURCES = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """Puts the resources that ``mim`` looks for into ``cfcontra_mm/.mim``.

    A wheel gets copies; an editable installation gets links into the checkout.
    """

    def run(self) -> None:
        super().run()
        place = self._link if self.editable_mode else self._copy
        root = ROOT if self.editable_mode else Path(self.build_lib)
        mim = root / 'cfcontra_mm' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM_RESOURCES:
            place(name, mim / name)

    @staticmethod
    def _link(name: str, target: Path) -> None:
        target.symlink_to(Path('..', '..', name))

    @staticmethod
    def _copy(name: str, target: Path) -> None:
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, target)
        else:
            ignore = shutil.ignore_patterns('__pycache__')
            shutil.copytree(ROOT / name, target, ignore=ignore)


def version() -> str:
    text = (ROOT / 'cfcontra_mm' / 'version.py').read_text()
    (found,) = re.findall(r"__version__ = '(.+)'", text)
    return found


setup(
    name='cfcontra-mm',
    version=version(),
    description='Unsupervised domain adaptation for semantic segmentation: '
    'train and compare methods under identical conditions with MMSegmentation',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='semantic segmentation, domain adaptation, benchmark, mmsegmentation',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=['cfcontra_mm', 'cfcontra_mm.*']),
    package_data={
        'cfcontra_mm.contract': ['networks/*.py'],
        'cfcontra_mm.report': ['report.css', 'report.js'],
    },
    cmdclass={'build_py': BuildWithMim},
    python_requires='>=3.10',
    install_requires=[
        'matplotlib',
        'numpy',
        'onedl-mmcv>=2.3',
        'onedl-mmengine>=0.10.12',
        'onedl-mmsegmentation>=1.4.2',
        'opencv-python',
        'pillow',
        'prettytable',
        'pyyaml',
        'rich',
        'scikit-learn',
        'scipy>=1.15',
        'torch>=2.6',
        'torchvision',
    ],
    extras_require={
        'contract': ['pytest'],
        'ray': ['ray'],
        'slurm': ['submitit'],
        'timm': ['timm>=1'],
        'dev': [
            'mypy',
            'pre-commit',
            'pytest',
            'pytest-xdist',
            'ray',
            'ruff',
            'selenium',
            'submitit',
            'timm>=1',
            'types-PyYAML',
        ],
    },
)
