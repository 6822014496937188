"""Template packs: a folder of public template data, as their authors publish them, and its strict readers."""
