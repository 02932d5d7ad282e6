"""Runs in mergekit's own environment: mergekit-layershuffle with the one method that its release 0.1.5 calls and lacks.

Called with the arguments of mergekit-layershuffle.
"""

from mergekit.architecture import ModelArchitecture
from mergekit.scripts.layershuffle import main

if __name__ == "__main__":
    ModelArchitecture.num_layers = lambda self, config: config.num_hidden_layers
    main()
