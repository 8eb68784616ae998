"""Torch modules, one file a model."""

from napari_vaemed.models.classifiers.resnet import SliceResNet
from napari_vaemed.models.segmenters.click_net import ClickNet
from napari_vaemed.models.segmenters.lung_net import LungNet
from napari_vaemed.models.vae.adversarial import AdversarialVAE
from napari_vaemed.models.vae.autoencoder import Autoencoder
from napari_vaemed.models.vae.dec import DEC
from napari_vaemed.models.vae.dirichlet import DirichletVAE
from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.models.vae.m2 import M2
from napari_vaemed.models.vae.one_step import OneStepVAE
from napari_vaemed.models.vae.self_training import SelfTraining
from napari_vaemed.models.vae.supervised import SupervisedEncoder
from napari_vaemed.models.vae.three_phases import ThreePhases
from napari_vaemed.models.vae.vade import VaDE

VAES = (
    GaussianVAE,
    Autoencoder,
    SupervisedEncoder,
    DirichletVAE,
    AdversarialVAE,
    OneStepVAE,
    VaDE,
    DEC,
    M2,
    SelfTraining,
    ThreePhases,
)
"""Every model that makes a code of a nodule and draws it again, the shipped one's first."""

SEMI_SUPERVISED = (M2, SelfTraining, ThreePhases)
"""Those that can learn where the readers' ratings of most nodules are hidden."""

SLICE_CLASSIFIERS = (SliceResNet,)
"""Every model that scores an axial slice."""

SEGMENTERS = (ClickNet,)
"""Every model that marks what is in the middle of a cube."""

LUNG_SEGMENTERS = (LungNet,)
"""Every model that marks the lungs in axial planes."""
