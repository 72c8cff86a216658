"""Audio machine learning to hear, see and build.

``import audiolab as al`` is quick: a module, and the heavy libraries behind it, load when first used.
"""

import warnings

import lazy_loader

# joblib takes a worker that imports PyTorch late for one that leaks, replaces it, and says so: nothing is lost.
warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["audio", "synth", "measure", "plots", "claims", "corpus", "batch", "preprocess", "features",
                "vocode", "watermark", "augment", "corpora", "enhance", "scores", "counterpoint", "pronounce", "ctc",
                "decode", "metrics", "detection", "models", "training", "transfer", "recipes", "compress", "embedded",
                "explain", "stream", "edge", "pipeline", "widgets", "checks", "checkup", "paths"],
    submod_attrs={
        "audio": ["AudioError", "info", "load", "play", "save"],
        "claims": ["show", "verify"],
        "corpora": ["sample"],
        "checkup": ["doctor"],
        "checks": ["check", "hint", "progress", "reset", "solution", "start"],
    },
)
