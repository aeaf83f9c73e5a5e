"""One module or package per library, each declaring its ``PATCHES``. They never import each other, nor a library that is not there."""
