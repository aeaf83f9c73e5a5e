"""One module or package per library, each declaring its ``PATCHES``. They never import each other, nor what is not installed."""
